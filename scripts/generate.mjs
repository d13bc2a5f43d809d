// `npm run generate`: writes what follows from the op table of the built addon: native/src/ops.gen.ts and docs/ops.md.
// With --check it writes nothing and fails where a file is not what it would write.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const hint = 'hint: npm run setup';

function opTable() {
  const path = process.env.ALIGN2SPEAK_ADDON ?? join(root, 'native', 'build', 'Release', 'align2speak_native.node');
  if (!existsSync(path)) throw new Error(`generate: addon: expected the file ${path}, got none\n${hint}`);
  return createRequire(import.meta.url)(path).opTable();
}

/**
 * What has a CUDA twin, by op: `{forward: true, backward: …}`. From the sources, not from the addon: what is generated must
 * not depend on whether this machine has a CUDA compiler.
 */
function cudaTwins() {
  const files = readdirSync(join(root, 'native'), { recursive: true }).filter((file) =>
    /^(?!build).*_cuda\.cu$/.test(file),
  );
  const declarations = files.flatMap((file) => [
    ...readFileSync(join(root, 'native', file), 'utf8').matchAll(/\bCudaTwin \w+\{(\w+),\s*([^;]+(?:;[^;]+)*?)\};/g),
  ]);
  return new Map(
    declarations.map(([, op, functions]) => [op, { forward: true, backward: argumentsIn(functions) > 1 }]),
  );
}

/** Number of arguments in a C++ argument list. */
function argumentsIn(list) {
  let depth = 0;
  let count = 1;
  for (const character of list) {
    if ('([{'.includes(character)) depth++;
    if (')]}'.includes(character)) depth--;
    if (character === ',' && depth === 0) count++;
  }
  return count;
}

const camel = (name) => name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());
const shape = (axes) => `[${axes.split(' ').join(', ')}]`;
const kindNote = {
  data: '',
  param: '; parameter',
  fixed: '; no gradient',
  ints: '; i32',
};

/** A bound as people write it: 2147483647 is not a limit anybody chose. */
function bound(value) {
  if (!Number.isFinite(value) || Math.abs(value) >= 2 ** 31 - 1) return value < 0 ? '-∞' : '∞';
  return String(value);
}

/** Allowed values of an attribute and what it is when absent. */
function range(attr) {
  if (attr.type === 'choice') return { allowed: attr.choices.join(' | '), fallback: attr.choices[attr.fallback] };
  if (attr.type === 'boolean') return { allowed: 'true | false', fallback: String(attr.fallback !== 0) };
  return { allowed: `${attr.type} in ${bound(attr.low)} … ${bound(attr.high)}`, fallback: bound(attr.fallback) };
}

// --- TypeScript -----------------------------------------------------------------------------------------------------

function field(name, optional, type, doc) {
  return `/** ${doc} */\n${camel(name)}${optional ? '?' : ''}: ${type}${optional ? ' | undefined' : ''};`;
}

function attrField(attr) {
  const { allowed, fallback } = range(attr);
  const type = { integer: 'number', real: 'number', boolean: 'boolean' }[attr.type];
  const values = attr.type === 'choice' ? '' : ` (${allowed})`;
  const choices = attr.choices.map((choice) => `'${choice}'`).join(' | ');
  return field(attr.name, true, type ?? choices, `${attr.doc}${values}; default ${fallback}`);
}

const argField = (arg) =>
  field(arg.name, arg.optional, 'Tensor', `\`${shape(arg.axes)}\` ${arg.doc}${kindNote[arg.kind]}`);
const object = (fields) => (fields.length > 0 ? `{\n${fields.join('\n')}\n}` : 'Record<never, never>');

function opSource(op) {
  const types = [op.inputs.map(argField), op.attrs.map(attrField), op.outputs.map(argField)].map(object);
  const kinds = op.inputs.filter(({ kind }) => kind === 'data' || kind === 'param');
  const doc = [op.summary, '', `\`${op.formula}\``, '', `@see ${op.source}`].join('\n').replaceAll('\n', '\n * ');
  const comment = `/**\n * ${doc.replaceAll(' * \n', ' *\n')}\n */\n`;
  if (!op.differentiable)
    return `${comment}export const ${camel(op.name)}: ForwardOp<${types.join(', ')}> = forwardOp('${op.name}');`;
  const differentiable = kinds.map(({ name }) => `'${camel(name)}'`).join(' | ');
  return `${comment}export const ${camel(op.name)}: Op<${types.join(', ')}, ${differentiable}> = op('${op.name}');`;
}

function typescript(table) {
  const header = `// Generated from the op table by \`npm run generate\`; the source is the contract in each op's header, native/ops/*/*.h.
import { ${table.some(({ differentiable }) => !differentiable) ? 'type ForwardOp, forwardOp, ' : ''}type Op, op } from './op.js';
import type { Tensor } from './tensor.js';
`;
  return formatted(`${header}\n${table.map(opSource).join('\n\n')}\n`, 'native/src/ops.gen.ts');
}

/** The source as biome writes it, so that the generated file passes the same checks as the others. */
function formatted(source, path) {
  const biome = fileURLToPath(new URL('../node_modules/@biomejs/biome/bin/biome', import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [biome, 'format', `--stdin-file-path=${path}`], {
    input: source,
    encoding: 'utf8',
    cwd: root,
  });
  if (status !== 0) throw new Error(`generate: ${path}: expected valid TypeScript, got\n${stderr}`);
  return stdout;
}

// --- documentation --------------------------------------------------------------------------------------------------

const cell = (text) => text.replaceAll('|', '\\|');
const row = (...cells) => `| ${cells.map(cell).join(' | ')} |`;
const mark = (yes) => (yes ? 'yes' : '–');

function summaryRow(op, twins) {
  const { forward = false, backward = false } = twins.get(op.name) ?? {};
  const cuda = op.differentiable ? `${mark(forward)} / ${mark(backward)}` : mark(forward);
  return row(`[${op.name}](#${op.name})`, op.summary, 'f32 f64', op.differentiable ? 'f32 f64' : '–', cuda);
}

function argRow(arg, role) {
  const kind = { data: role, param: 'parameter', fixed: 'constant', ints: `${role} (i32)` }[arg.kind];
  return row(`\`${arg.name}\`${arg.optional ? ' (optional)' : ''}`, `\`${shape(arg.axes)}\``, kind, arg.doc);
}

function section(op) {
  const lines = [`### ${op.name}`, '', op.summary, '', '```', op.formula, '```', '', `Source: ${op.source}.`, ''];
  lines.push(row('tensor', 'shape', 'kind', ''), row('---', '---', '---', '---'));
  lines.push(...op.inputs.map((arg) => argRow(arg, 'input')), ...op.outputs.map((arg) => argRow(arg, 'output')), '');
  if (op.attrs.length > 0) {
    lines.push(row('attribute', 'values', 'default', ''), row('---', '---', '---', '---'));
    for (const attr of op.attrs) {
      const { allowed, fallback } = range(attr);
      lines.push(row(`\`${attr.name}\``, allowed, fallback, attr.doc));
    }
    lines.push('');
  }
  return lines.join('\n');
}

function markdown(table) {
  const twins = cudaTwins();
  return `# Operators

Written by \`npm run generate\` from the contracts in \`native/ops/*/*.h\`; do not edit. Every op runs in f32, and in f64 as the
reference that f32 is checked against. Names are those of the core; in TypeScript, \`ops\` of \`@align2speak/native\` has them
in camelCase. Axes stand in memory order, the last one contiguous; \`...\` is any number of leading axes.

| op | | forward | backward | CUDA forward / backward |
| --- | --- | --- | --- | --- |
${table.map((op) => summaryRow(op, twins)).join('\n')}

${table.map(section).join('\n')}`;
}

// --- files ----------------------------------------------------------------------------------------------------------

/** Writes or checks one file; returns whether it is as it should be. */
function settle(path, content, check) {
  const current = existsSync(path) ? readFileSync(path, 'utf8') : '';
  if (current === content) return true;
  if (!check) {
    writeFileSync(path, content);
    console.log(`generate: wrote ${relative(process.cwd(), path)}`);
    return true;
  }
  const [was, will] = [current.split('\n'), content.split('\n')];
  const line = will.findIndex((text, i) => text !== was[i]);
  const [expected, got] = [will, was].map((lines) => JSON.stringify(lines[Math.max(line, 0)] ?? 'the end'));
  console.error(`generate: ${relative(root, path)}: line ${line + 1}: expected ${expected}, got ${got}`);
  console.error('hint: npm run generate');
  return false;
}

try {
  const check = process.argv.includes('--check');
  const table = opTable();
  const files = { 'native/src/ops.gen.ts': typescript, 'docs/ops.md': markdown };
  const results = Object.entries(files).map(([path, make]) => settle(join(root, path), make(table), check));
  console.log(`generate: ${table.length} ops, ${results.length} files${check ? ' checked' : ''}`);
  if (!results.every(Boolean)) process.exitCode = 1;
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
