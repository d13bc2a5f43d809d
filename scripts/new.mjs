// `npm run new op <name>`: a skeleton that compiles and fails one test. What is copied lies in scripts/templates.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const templates = fileURLToPath(new URL('templates', import.meta.url));

function fail(message) {
  console.error(message);
  process.exit(1);
}

/** Copies a folder of templates to `target`, with `name` for each `__name__`. */
function copy(kind, name, target) {
  if (existsSync(target)) fail(`new: ${relative(root, target)}: expected no such folder, got one`);
  mkdirSync(target, { recursive: true });
  for (const file of readdirSync(join(templates, kind))) {
    const text = readFileSync(join(templates, kind, file), 'utf8').replaceAll('__name__', name);
    writeFileSync(join(target, file.replace('__name__', name)), text);
    console.log(`wrote ${relative(root, join(target, file.replace('__name__', name)))}`);
  }
}

/** Adds `line` after the last of the lines that `pattern` matches. */
function addLine(path, pattern, line) {
  const lines = readFileSync(path, 'utf8').split('\n');
  const last = lines.findLastIndex((text) => pattern.test(text));
  if (last < 0) fail(`new: ${relative(root, path)}: expected a line like ${pattern}, got none`);
  writeFileSync(path, lines.toSpliced(last + 1, 0, line).join('\n'));
}

function newOp(name) {
  copy('op', name, join(root, 'native', 'ops', name));
  const list = join(root, 'native', 'ops', 'ops.cc');
  addLine(list, /^#include "ops\//, `#include "ops/${name}/${name}.h"`);
  addLine(list, /^ +&\w+,$/, `      &${name},`);
  console.log('changed native/ops/ops.cc');
  console.log(
    `next: write the gradient of w in native/ops/${name}/${name}_cpu.cc, then npm run setup && npm run generate && npm test`,
  );
}

const kinds = { op: newOp };
const [kind, name] = process.argv.slice(2);
if (!Object.hasOwn(kinds, kind ?? ''))
  fail(`new: kind: expected ${Object.keys(kinds).join(' or ')}, got ${kind ?? 'none'}\nhint: npm run new op my_op`);
if (!/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(name ?? '')) fail(`new: name: expected snake_case, got ${name ?? 'none'}`);
kinds[kind](name);
