export type { BootstrapOptions, Interval } from './bootstrap.js';
export { equalErrorRate } from './equal-error-rate.js';
export type { ItemScore, MeasureName } from './items.js';
export { type CompareOptions, type Comparison, comparePaired, type Summary, summarise } from './metrics.js';
export { meanOverSeeds } from './seeds.js';
