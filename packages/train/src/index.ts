/** The training loops as commands and as functions. */
export { loadConfig } from './config.js';
export { Interrupted } from './loop.js';
export { formatDuration, Progress } from './progress.js';
export { type StageName, type StageOptions, stageSchema, stages, train } from './stages.js';
