import { z } from 'zod';
import { ConfigError } from './errors.js';

/** A count of things that takes memory: at least one, and small enough for 32-bit sizes. */
export const size = z.int().min(1).max(1_000_000);

/** Adds a cross-field fault to a schema's own, in the grammar of the error family. */
export function refuse(context: z.RefinementCtx, path: string[], expected: string, got: unknown): void {
  context.addIssue({ code: 'custom', path, input: got, params: { expected } });
}

/**
 * Checks a configuration against its schema and fills in the defaults.
 *
 * @param where File or option the configuration comes from, named by the error.
 * @throws ConfigError on the first field that is unknown, of the wrong type, out of range or at odds with another.
 */
export function parseConfig<S extends z.ZodType>(schema: S, input: unknown, where: string): z.output<S> {
  const result = schema.safeParse(input, { reportInput: true });
  if (result.success) return result.data;
  const [first, ...others] = result.error.issues.map(describe);
  const { what, expected, got } = first!;
  const also = new Set(others.map((fault) => fault.what));
  also.delete(what);
  const hint = also.size > 0 ? `also wrong: ${[...also].join(', ')}` : undefined;
  throw new ConfigError({ where, what, expected, got, hint });
}

/**
 * The JSON Schema (draft 2020-12) of a configuration as a user writes it: defaults stand in, fields with one are optional.
 *
 * Rules that span fields are not part of it; `parseConfig` checks those too.
 */
export function configJsonSchema(schema: z.ZodType): Record<string, unknown> {
  return z.toJSONSchema(schema, { io: 'input' });
}

const typeNames: Record<string, string> = {
  int: 'an integer',
  number: 'a number',
  boolean: 'true or false',
  string: 'a string',
  array: 'a list',
  object: 'an object',
};

function describe(issue: z.core.$ZodIssue): { what: string; expected: string; got: string } {
  const what = pathOf(issue.path) || 'configuration';
  const got = show(issue.input);
  switch (issue.code) {
    case 'custom':
      return { what, expected: String(issue.params?.expected), got };
    case 'unrecognized_keys': {
      const keys = issue.keys.map((key) => pathOf([...issue.path, key]));
      return { what: keys.join(', '), expected: 'fields that exist', got: 'unknown ones' };
    }
    case 'invalid_type':
      return { what, expected: typeNames[issue.expected] ?? issue.expected, got };
    case 'invalid_union': {
      // Only unions that one field tells apart are in use; zod gives the object around that field.
      const options = 'options' in issue ? issue.options : undefined;
      const tag = Object(issue.input)[issue.discriminator ?? ''];
      return { what, expected: options?.map(show).join(' or ') ?? issue.message, got: show(tag) };
    }
    case 'invalid_value':
      return { what, expected: issue.values.map(show).join(' or '), got };
    case 'too_small':
      return { what, expected: `${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}${unitOf(issue)}`, got };
    case 'too_big':
      return { what, expected: `${issue.inclusive ? 'at most' : 'less than'} ${issue.maximum}${unitOf(issue)}`, got };
    default:
      return { what, expected: issue.message, got };
  }
}

const pathOf = (path: PropertyKey[]) => path.map((key) => String(key) || '""').join('.');

const unitOf = ({ origin }: { origin: string }) => (origin === 'array' ? ' entries' : '');

function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
