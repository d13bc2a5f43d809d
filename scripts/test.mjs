// `npm test`: setup, then every test. Arguments go to vitest: `npm test -- packages/weights`.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { setupOrExit } from './setup.mjs';

await setupOrExit();
const root = fileURLToPath(new URL('..', import.meta.url));
const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url));
const { status, error } = spawnSync(process.execPath, [vitest, 'run', ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
});
if (error) throw error;
process.exitCode = status ?? 1;
