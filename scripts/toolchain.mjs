// What a machine must have before anything can be built, and how to get what is missing. Node's standard library only.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { platform } from 'node:os';

export const minimum = { node: '20.19', cmake: '3.22', gcc: '11', clang: '14' };

/** Output of a command's first run (stdout, then stderr), or undefined where it does not exist or fails. */
export function probe(command, args, timeout = 10_000) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', timeout });
  return status === 0 ? stdout.trim() || stderr.trim() : undefined;
}

/** True where dotted version `found` is at least `wanted`: atLeast('3.25.1', '3.22'). */
export function atLeast(found, wanted) {
  const a = found.split('.').map(Number);
  const b = wanted.split('.').map(Number);
  const i = b.findIndex((part, k) => (a[k] ?? 0) !== part);
  return i < 0 || (a[i] ?? 0) > b[i];
}

function findCmake() {
  const version = probe('cmake', ['--version'])?.match(/version (\d+\.\d+(\.\d+)?)/)?.[1];
  return {
    name: 'cmake',
    wanted: `CMake >= ${minimum.cmake}`,
    apt: 'cmake',
    found: version && `CMake ${version}`,
    ok: !!version && atLeast(version, minimum.cmake),
  };
}

/** The first C++20 compiler: $CXX alone where it is set, else g++, clang++ and their versioned names. */
export function findCompiler() {
  const versioned = [16, 15, 14, 13, 12, 11]
    .map((v) => `g++-${v}`)
    .concat([21, 20, 19, 18, 17, 16, 15, 14].map((v) => `clang++-${v}`));
  const candidates = process.env.CXX ? [process.env.CXX] : ['g++', 'clang++', ...versioned];
  const seen = [];
  for (const command of candidates) {
    const text = probe(command, ['--version'])?.split('\n')[0];
    if (!text) continue;
    const clang = text.match(/clang version (\d+(\.\d+)*)/)?.[1];
    const version = clang ?? text.match(/(\d+\.\d+\.\d+)(?!.*\d+\.\d+\.\d+)/)?.[1];
    if (version && atLeast(version, clang ? minimum.clang : minimum.gcc)) {
      return { name: 'compiler', found: `${command} ${version}`, ok: true, command };
    }
    seen.push(`${command} ${version ?? text}`);
  }
  return {
    name: 'compiler',
    wanted: `a C++20 compiler (g++ >= ${minimum.gcc} or clang++ >= ${minimum.clang})`,
    apt: 'g++',
    found: seen.join(', ') || undefined,
    ok: false,
    command: undefined,
  };
}

function findMake() {
  const found = ['ninja', 'make'].find((command) => probe(command, ['--version']));
  return { name: 'make', wanted: 'make or ninja', apt: 'make', found, ok: !!found };
}

/** CMake, compiler and make as found here: { name, wanted, found, ok, apt }. */
export function buildTools() {
  return [findCmake(), findCompiler(), findMake()];
}

/** The command that installs the given tools on Debian or Ubuntu. */
export function aptLine(tools) {
  const sudo = process.getuid?.() === 0 ? '' : 'sudo ';
  const packages = tools.map((tool) => tool.apt).join(' ');
  return `${sudo}apt-get update && ${sudo}apt-get install -y --no-install-recommends ${packages}`;
}

/** True where missing tools may be installed without asking: root on a Debian or Ubuntu. */
export function mayInstall() {
  return platform() === 'linux' && process.getuid() === 0 && existsSync('/usr/bin/apt-get');
}
