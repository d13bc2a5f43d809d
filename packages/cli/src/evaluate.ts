import { configJsonSchema, writeWhole } from '@align2speak/contracts';
import { evaluation, runEvaluation } from '@align2speak/evaluate';
import { loadConfig, Progress } from '@align2speak/train';
import { Command } from 'commander';

const collect = (value: string, all: string[]) => [...all, value];

/** `align2speak evaluate`: error rates, similarity and quality with intervals, as a table and as JSON. */
export function evaluateCommand(): Command {
  return new Command('evaluate')
    .description('Judges a model, or recordings, on test texts and voices.')
    .option('--config <file>', 'YAML file')
    .option('--set <field=value>', 'a setting over the file; may be repeated', collect, [])
    .option('--json <file>', 'write every item and the summaries there')
    .option('--schema', 'print the JSON Schema of the configuration, and end')
    .action(async ({ config: file, set, json, schema }) => {
      if (schema) return console.log(JSON.stringify(configJsonSchema(evaluation), null, 2));
      const settings = await loadConfig(evaluation, file, set);
      let progress: Progress | undefined;
      const results = await runEvaluation(settings, (done, total) => {
        progress ??= new Progress('evaluate', total);
        progress.show(done);
      });
      progress?.end();
      for (const [manifest, parts] of Object.entries(results))
        for (const [part, { summary }] of Object.entries(parts)) {
          console.log(`\n${manifest}: ${part}, ${summary.prompts} texts, ${summary.seeds} seeds`);
          for (const [name, value] of Object.entries(summary))
            if (typeof value === 'object' && 'mean' in value)
              console.log(`  ${name.padEnd(22)} ${show(value.mean)}  [${show(value.low)}, ${show(value.high)}]`);
        }
      if (json) await writeWhole(json, `${JSON.stringify({ settings, results }, null, 1)}\n`);
    });
}

const show = (value: number) => value.toFixed(4);
