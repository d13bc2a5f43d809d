// Imports go only to a lower rank, and only to packages that package.json declares. Prints each that does not.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ranks = [
  ['contracts', 'espeak'],
  ['native'],
  ['text', 'audio', 'weights'],
  ['data', 'codec'],
  ['tts'],
  ['rewards', 'rl'],
  ['evaluate', 'report'],
  ['train'],
  ['cli'],
];
const scope = '@align2speak/';
const rankOf = (name) => ranks.findIndex((names) => names.includes(name.slice(scope.length)));
const root = process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url));
const importPattern = /^\s*(?:import|export)\b[^'";]*?from\s*['"]([^'"]+)['"]|\bimport\s*\(?\s*['"]([^'"]+)['"]/gm;

let imports = 0;
const faults = [];
for (const dir of ['native', ...readdirSync(join(root, 'packages')).map((name) => join('packages', name))]) {
  const { name, dependencies = {} } = JSON.parse(readFileSync(join(root, dir, 'package.json'), 'utf8'));
  if (rankOf(name) < 0) faults.push(`${dir}: ${name}: expected a rank in scripts/boundaries.mjs, got none`);
  const source = join(root, dir, 'src');
  const files = existsSync(source)
    ? readdirSync(source, { recursive: true }).filter((file) => file.endsWith('.ts'))
    : [];
  for (const file of files.map((file) => join(source, file))) {
    for (const [, from, bare] of readFileSync(file, 'utf8').matchAll(importPattern)) {
      imports++;
      const target = from ?? bare;
      const refuse = (expected) => faults.push(`${relative(root, file)}: import '${target}': expected ${expected}`);
      if (target.startsWith('.')) {
        if (relative(source, resolve(file, '..', target)).startsWith('..')) refuse('a file of the same package');
      } else if (!isBuiltin(target)) {
        const packageName = target.split('/', target.startsWith('@') ? 2 : 1).join('/');
        if (!(packageName in dependencies)) refuse(`${packageName} among the dependencies of ${dir}/package.json`);
        if (target.startsWith(scope) && rankOf(packageName) >= rankOf(name))
          refuse(`a package of a lower rank than ${name}`);
      }
    }
  }
}
if (imports === 0) faults.push('boundaries: expected imports to check, got none');
for (const fault of faults) console.error(fault);
console.log(`boundaries: ${imports} imports, ${faults.length} faults`);
process.exitCode = faults.length > 0 ? 1 : 0;
