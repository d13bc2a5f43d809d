import { ConfigError } from '@align2speak/contracts';
import { Command } from 'commander';
import { runDemo } from './demo.js';

/** Languages that judges are shipped for. */
const targets = ['pt'];

/** `align2speak demo`: a tiny model learns a new language, with a report before and after. */
export function demoCommand(): Command {
  return new Command('demo')
    .description('Adapts the shipped tiny model to a language it never heard, and writes a report.')
    .option('--full', 'also GRPO without fine-tuning, DPO, and longer fine-tuning with and without GRPO', false)
    .option('--lang <codes...>', `target languages, of ${targets.join(', ')}`)
    .option('--seed <number>', 'of every training', '1')
    .option('--out <folder>', 'folder of the run; what one that ended or was interrupted made is used', 'runs/demo')
    .action(async (options: { full: boolean; lang?: string[]; seed: string; out: string }) => {
      const { full, lang, seed, out } = options;
      const languages = lang ?? (full ? targets : targets.slice(0, 1));
      const unknown = languages.find((code) => !targets.includes(code));
      if (unknown !== undefined)
        throw new ConfigError({
          where: 'demo',
          what: '--lang',
          expected: `some of ${targets.join(', ')}`,
          got: unknown,
        });
      await runDemo({ out, full, languages, seed: Number(seed) });
    });
}
