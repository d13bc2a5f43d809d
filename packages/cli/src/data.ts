import { DataError } from '@align2speak/contracts';
import { type SynthOptions, synthesizeCorpus, validateManifest } from '@align2speak/data';
import { Command } from 'commander';

/** `align2speak data …`: makes and checks corpora. */
export function dataCommand(): Command {
  const data = new Command('data').description('Makes and checks corpora.').exitOverride();
  data
    .command('synth')
    .description('Makes a multilingual corpus spoken by espeak-ng voices; the same options give the same bytes.')
    .requiredOption(
      '--out <folder>',
      'where to: a new folder, or a corpus of the same seed and scale to go on with or to add to',
    )
    .option('--seed <n>', 'another corpus of the same kind', Number, 1)
    .option('--scale <x>', 'factor of every size (1: 285 minutes to train on)', Number, 1)
    .option('--source <codes>', 'languages of pretraining', list, ['en', 'de', 'nl', 'es', 'fr', 'it'])
    .option('--target <codes>', 'languages to adapt to', list, ['pt', 'pl', 'hi'])
    .option('--judges', 'also invented words in other voices and in invented ones, to train judges on', false)
    .option('--workers <n>', 'manifests made at once', Number, 2)
    .action(async (options) => {
      const { manifests } = await synthesizeCorpus({ ...options, onProgress: progressPrinter() });
      for (const { manifest, utterances, seconds, meanFrames, unalignable } of manifests)
        console.log(
          `${manifest.padEnd(20)} ${String(utterances).padStart(5)} utterances ${(seconds / 60).toFixed(1).padStart(6)} min` +
            `  ${meanFrames} frames each  ${(100 * unalignable).toFixed(1)} % with more characters than frames`,
        );
    });
  data
    .command('validate <manifest...>')
    .description('Names every line of a manifest that cannot be trained on, and why; opens all audio.')
    .action(async (manifests: string[]) => {
      for (const path of manifests) await validate(path);
    });
  return data;
}

async function validate(path: string): Promise<void> {
  const problems = await validateManifest(path);
  for (const { line, field, expected, got } of problems)
    console.log(`${path}:${line}: ${field}: expected ${expected}, got ${got}`);
  if (problems.length === 0) return console.log(`${path}: no problems`);
  const lines = new Set(problems.map(({ line }) => line)).size;
  throw new DataError({
    where: path,
    what: 'lines',
    expected: 'no problems',
    got: `${problems.length} in ${lines} lines`,
  });
}

function list(codes: string): string[] {
  return codes.split(',').filter((code) => code !== '');
}

/** Prints a line every few seconds, with the time left. */
function progressPrinter(): NonNullable<SynthOptions['onProgress']> {
  const everyMs = 5000;
  const start = performance.now();
  let last = start;
  return ({ madeSec, totalSec }) => {
    const now = performance.now();
    if (now - last < everyMs) return;
    last = now;
    const leftSec = ((now - start) / 1000) * (totalSec / madeSec - 1);
    console.error(
      `${(madeSec / 60).toFixed(1)} of ${(totalSec / 60).toFixed(0)} min of speech, ${Math.max(0, leftSec).toFixed(0)} s left`,
    );
  };
}
