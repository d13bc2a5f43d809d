import { writeReport } from '@align2speak/report';
import { Command } from 'commander';

/** `align2speak report <runDir>`: writes the run's `report.html` and prints its path. */
export function reportCommand(): Command {
  return new Command('report')
    .description('Writes report.html of a run: one page with results, sounds and curves that needs no network.')
    .argument('<runDir>', 'folder with summary.json or metrics.jsonl')
    .exitOverride()
    .action(async (runDir: string) => console.log(await writeReport(runDir)));
}
