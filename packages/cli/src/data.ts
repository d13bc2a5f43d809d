import { DataError } from '@align2speak/contracts';
import { type CorpusSummary, type SynthOptions, synthesizeCorpus, validateManifest } from '@align2speak/data';
import { Progress } from '@align2speak/train';
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
      const { manifests } = await makeCorpus(options);
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

/** Makes a corpus, and shows how far it is. */
export async function makeCorpus(options: SynthOptions): Promise<CorpusSummary> {
  let progress: Progress | undefined;
  const onProgress: SynthOptions['onProgress'] = ({ madeSec, totalSec }) => {
    progress ??= new Progress('corpus: seconds of speech', Math.round(totalSec));
    progress.show(Math.round(madeSec));
  };
  try {
    return await synthesizeCorpus({ ...options, onProgress });
  } finally {
    progress?.end();
  }
}
