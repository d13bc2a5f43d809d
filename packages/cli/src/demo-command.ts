import { ConfigError } from '@align2speak/contracts';
import { Command } from 'commander';
import { runDemo } from './demo.js';
import { targetLanguages } from './demo-plan.js';

/** `align2speak demo`: a tiny model learns a new language, with a report before and after. */
export function demoCommand(): Command {
  return new Command('demo')
    .description('Adapts the shipped tiny model to a language it never heard, and writes a report.')
    .option(
      '--full',
      'also GRPO without fine-tuning, DPO, and longer fine-tuning with and without GRPO, and the other languages',
      false,
    )
    .option('--lang <codes...>', `target languages, of ${targetLanguages.join(', ')}`)
    .option('--seed <number>', 'of every training', '1')
    .option('--scale <factor>', 'times the updates of fine-tuning and of GRPO: more time, fewer errors', '1')
    .option('--out <folder>', 'folder of the run; what one that ended or was interrupted made is used', 'runs/demo')
    .action(async (options: { full: boolean; lang?: string[]; seed: string; scale: string; out: string }) => {
      const { full, lang, out } = options;
      const languages = lang ?? targetLanguages.slice(0, full ? undefined : 1);
      const unknown = languages.find((code) => !(targetLanguages as readonly string[]).includes(code));
      if (unknown !== undefined) refuse('--lang', `some of ${targetLanguages.join(', ')}`, unknown);
      const [seed, scale] = [Number(options.seed), Number(options.scale)];
      if (!Number.isInteger(seed) || seed < 0) refuse('--seed', 'an integer of at least 0', options.seed);
      if (!(scale >= 0.05 && scale <= 100)) refuse('--scale', '0.05 to 100', options.scale);
      await runDemo({ out, full, languages, seed, scale });
    });
}

function refuse(what: string, expected: string, got: string): never {
  throw new ConfigError({ where: 'demo', what, expected, got });
}
