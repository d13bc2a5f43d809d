/** One-file HTML reports and TensorBoard events from the files of a run. */
export { buildReport, writeReport } from './report.js';
export {
  type CheckedSummary,
  type Interval,
  type Measure,
  parseSummary,
  type StageName,
  type Summary,
  stageNames,
} from './summary.js';
export { EventWriter } from './tensorboard.js';
