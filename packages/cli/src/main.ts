import { Align2SpeakError } from '@align2speak/contracts';
import { Interrupted } from '@align2speak/train';
import { Command, CommanderError } from 'commander';
import { dataCommand } from './data.js';
import { demoCommand } from './demo-command.js';
import { evaluateCommand } from './evaluate.js';
import { compareFolder } from './golden.js';
import { printReport } from './golden-report.js';
import { reportCommand } from './report.js';
import { stageCommands } from './stages.js';
import { synthesizeCommand } from './synthesize.js';

/**
 * Runs one command line.
 *
 * @param argv arguments without the interpreter and the program
 * @returns the exit code: 0 done, 1 a check failed or the input was refused, 2 the command line is wrong, 130 a signal ended it
 */
export async function main(argv: readonly string[]): Promise<number> {
  let code = 0;
  const program = new Command('align2speak').description(
    'Adapts a codec-token text-to-speech model to a new language.',
  );
  program
    .command('golden <folder>')
    .description(
      'Runs the computation that a folder of golden tensors records, and prints the largest error of each tensor.',
    )
    .option('--dtype <type>', 'precision of the computation: f32 or f64', 'f32')
    .action(async (folder: string, { dtype }: { dtype: string }) => {
      if (dtype !== 'f32' && dtype !== 'f64')
        throw new CommanderError(2, 'dtype', `--dtype: expected f32 or f64, got ${dtype}`);
      code = printReport(await compareFolder(folder, dtype)) ? 0 : 1;
    });
  program.addCommand(dataCommand());
  program.addCommand(reportCommand());
  program.addCommand(demoCommand());
  program.addCommand(evaluateCommand());
  program.addCommand(synthesizeCommand());
  for (const command of stageCommands()) program.addCommand(command);
  throwAtExit(program);
  try {
    await program.parseAsync(argv, { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.code === 'dtype') console.error(error.message);
      return error.exitCode === 0 ? 0 : 2;
    }
    if (!(error instanceof Align2SpeakError || error instanceof Interrupted)) throw error;
    console.error(error.message);
    return error instanceof Interrupted ? 130 : 1;
  }
}

/** Commands made elsewhere would end the process where the command line is wrong. */
function throwAtExit(command: Command): void {
  command.exitOverride();
  for (const each of command.commands) throwAtExit(each as Command);
}
