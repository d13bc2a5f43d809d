// The demo from a fresh clone: sets up what is missing, then `align2speak demo` with the same arguments.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { commandLine, setupOrExit } from './setup.mjs';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
await setupOrExit(commandLine);
// A signal reaches the child too, which writes a checkpoint; this process waits for it.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
const { status } = spawnSync(process.execPath, ['packages/cli/bin/align2speak.js', 'demo', ...process.argv.slice(2)], {
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
