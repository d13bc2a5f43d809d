// scripts/setup.mjs in a toy repository, with stand-ins for every program that it starts.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const scripts = fileURLToPath(new URL('../scripts', import.meta.url));
const root = process.getuid?.() === 0;
let repository = '';

function put(path: string, text = '', mode = 0o644): void {
  const full = join(repository, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, text);
  chmodSync(full, mode);
}

const program = (path: string, script: string) => put(path, `#!/bin/sh\n${script}\n`, 0o755);

/** Runs setup with no program in reach but the stand-ins, as another user where `user` says so. */
function setup(user?: { uid: number; gid: number }) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(repository, 'scripts/setup.mjs')], {
    encoding: 'utf8',
    env: { PATH: join(repository, 'bin'), npm_execpath: join(repository, 'npm.js') },
    ...user,
  });
  return {
    status,
    stdout: stdout
      .replace(/\d+\.\d s/g, '0.0 s')
      .split('\n')
      .filter(Boolean),
    stderr,
  };
}

const steps = ['packages', 'addon', 'typescript', 'checks'];
const done = (step: string) => [`setup: ${step} ...`, `setup: ${step} done in 0.0 s`];
const upToDate = (step: string) => `setup: ${step} up to date`;

beforeEach(() => {
  repository = mkdtempSync(join(tmpdir(), 'setup-'));
  cpSync(scripts, join(repository, 'scripts'), { recursive: true });
  for (const file of ['package-lock.json', 'tsconfig.json', 'tsconfig.base.json', 'native/core/tensor.cc']) put(file);
  for (const file of ['package.json', 'tsconfig.json', 'src/index.ts']) {
    put(`native/${file}`);
    put(`packages/text/${file}`);
  }
  put('packages/server/package.json');
  const turbo = `#!/bin/sh
case $2 in
build:addon) echo "built with $CXX"; mkdir -p native/build/Release; : > native/build/Release/align2speak_native.node ;;
build:checks) : > native/build/align2speak_check ;;
build:ts) for p in native packages/text; do mkdir -p $p/dist; : > $p/dist/index.js; done ;;
esac`;
  put(
    'npm.js',
    `const { mkdirSync, writeFileSync } = require('node:fs');
    mkdirSync('node_modules/.bin', { recursive: true });
    writeFileSync('node_modules/.package-lock.json', '');
    writeFileSync('node_modules/.bin/turbo', ${JSON.stringify(turbo)}, { mode: 0o755 });`,
  );
  mkdirSync(join(repository, 'bin'));
  for (const name of ['sh', 'mkdir', 'chmod']) symlinkSync(`/bin/${name}`, join(repository, 'bin', name));
  program('bin/cmake', 'echo cmake version 3.25.1');
  program('bin/g++', "echo 'g++ (Debian 12.2.0-14) 12.2.0'");
  program('bin/ninja', 'echo 1.11.1');
});

afterEach(() => rmSync(repository, { recursive: true }));

describe('setup', () => {
  it('does each step once, and then nothing until an input changes', () => {
    expect(setup()).toEqual({ status: 0, stdout: steps.flatMap(done), stderr: '' });
    rmSync(join(repository, 'bin/cmake'));
    expect(setup()).toEqual({ status: 0, stdout: steps.map(upToDate), stderr: '' });
    const again = (...changed: string[]) =>
      expect(setup().stdout).toEqual(steps.flatMap((step) => (changed.includes(step) ? done(step) : upToDate(step))));

    program('bin/cmake', 'echo cmake version 3.25.1');
    put('native/core/tensor.cc', '// changed');
    again('addon', 'checks');
    put('packages/text/src/words.ts', '// new');
    again('typescript');
    rmSync(join(repository, 'native/build'), { recursive: true });
    again('addon', 'checks');
    put('package-lock.json', '{}');
    again(...steps);
  });

  it('leaves out the tests of the core where only the command line is wanted', () => {
    const chosen = 'import("./scripts/setup.mjs").then(({ setup, commandLine }) => setup(commandLine))';
    const { stdout } = spawnSync(process.execPath, ['-e', chosen, 'x'], {
      cwd: repository,
      encoding: 'utf8',
      env: { PATH: join(repository, 'bin'), npm_execpath: join(repository, 'npm.js') },
    });
    expect(stdout.match(/\w+(?= done)/g)).toEqual(['packages', 'addon', 'typescript']);
    expect(setup().stdout).toEqual([...steps.slice(0, 3).map(upToDate), ...done('checks')]);
  });

  it('names the step, the remedy and the log of what failed, and starts there the next time', () => {
    put('npm.js', "console.log('no route'); process.exit(3);");
    const { status, stdout, stderr } = setup();
    expect({ status, stdout }).toEqual({ status: 1, stdout: ['setup: packages ...'] });
    expect(stderr).toMatch(
      /^no route\nsetup: packages: expected success of `.*npm\.js ci.*`, got exit code 3\nlog: .*packages\.log\nhint: check that npm/,
    );
    expect(setup().stdout).toEqual(['setup: packages ...']);
  });

  it('takes the first compiler that is new enough', () => {
    program('bin/g++', "echo 'g++ (GCC) 10.4.0'");
    program('bin/clang++', 'echo Debian clang version 14.0.6');
    expect(setup().status).toBe(0);
    const log = spawnSync('cat', [join(repository, '.cache/setup/addon.log')], { encoding: 'utf8' }).stdout;
    expect(log).toBe('built with clang++\n');
  });

  it('without the right to install, prints the line that does', () => {
    rmSync(join(repository, 'bin/cmake'));
    program('bin/g++', "echo 'g++ (GCC) 10.4.0'");
    spawnSync('chmod', ['-R', 'a+rwX', repository]);
    const { status, stderr } = setup(root ? { uid: 65_534, gid: 65_534 } : undefined);
    expect(status).toBe(1);
    expect(stderr.trimEnd().split('\n')).toEqual([
      'setup: tools: expected CMake >= 3.22, got none',
      'setup: tools: expected a C++20 compiler (g++ >= 11 or clang++ >= 14), got g++ 10.4.0',
      'hint: on Debian or Ubuntu: sudo apt-get update && sudo apt-get install -y --no-install-recommends cmake g++',
    ]);
  });

  it('as root on Debian or Ubuntu, installs what is missing and nothing else', (context) => {
    if (!root) context.skip('needs root');
    rmSync(join(repository, 'bin/cmake'));
    const [asked, cmake] = [join(repository, 'asked'), join(repository, 'bin/cmake')];
    program(
      'bin/apt-get',
      `echo "$@" >> ${asked}; printf '#!/bin/sh\\necho cmake version 3.25.1\\n' > ${cmake}; chmod +x ${cmake}`,
    );
    expect(setup().status).toBe(0);
    expect(spawnSync('cat', [asked], { encoding: 'utf8' }).stdout).toBe(
      'update\ninstall -y --no-install-recommends cmake\n',
    );
  });
});
