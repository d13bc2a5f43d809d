export type { BootstrapOptions, Interval } from './bootstrap.js';
export { equalErrorRate } from './equal-error-rate.js';
export { evaluation, runEvaluation } from './evaluation.js';
export type { ItemScore, MeasureName } from './items.js';
export { type CompareOptions, type Comparison, comparePaired, type Summary, summarise } from './metrics.js';
export { evaluateRecordings, evaluateTts, openPanel, type Panel } from './run.js';
export { meanOverSeeds } from './seeds.js';
export { loadTestSet, type TestPrompt } from './test-set.js';
