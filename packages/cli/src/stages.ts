import { type StageName, stageSchema, stages, train } from '@align2speak/train';
import { Command } from 'commander';

const collect = (value: string, all: string[]) => [...all, value];

/** `file` or `file=weight` as a setting of one more reward. */
const rewardSetting = (text: string) => {
  const [file, weight = '0.1'] = text.split(/=(?=[\d.]+$)/);
  return `rewards+={ use: ${JSON.stringify(file)}, weight: ${weight} }`;
};

/** One command for each stage of training; `codec train` and `judge train` stand beside other uses of codec and judge. */
export function stageCommands(): Command[] {
  return (Object.keys(stages) as StageName[]).map((name) => {
    const isGroup = name === 'codec' || name === 'judge';
    const group = new Command(name).description(stages[name].about);
    const command = isGroup ? group.command('train').description(stages[name].about) : group;
    command
      .option('--config <file>', 'YAML file')
      .option('--set <field=value>', 'a setting over the file, e.g. --set lr=1e-4; may be repeated', collect, [])
      .option('--out <folder>', 'folder of the run', `runs/${name}`)
      .option('--resume [checkpoint]', 'continue the run in that folder')
      .option('--schema', 'print the JSON Schema of the configuration, and end')
      .action(async ({ schema, reward = [], ...options }) => {
        if (schema) console.log(JSON.stringify(stageSchema(name), null, 2));
        else await train(name, { ...options, set: [...options.set, ...reward.map(rewardSetting)] });
      });
    if (name === 'grpo' || name === 'dpo')
      command.option(
        '--reward <file[=weight]>',
        'a reward of your own (.js, .mjs) beside the others, weight 0.1 unless given; may be repeated',
        collect,
        [],
      );
    return group;
  });
}
