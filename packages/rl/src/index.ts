export type { AdvantageInput } from './advantage-input.js';
export {
  type AdvantageStats,
  type Advantages,
  composeAdvantages,
} from './advantages.js';
export { type Alarm, type AlarmMetrics, type AlarmState, Alarms } from './alarms.js';
export type { Credit, PartValues, Reach } from './credit.js';
export { type Anchors, measureAnchors, piecewiseLinear } from './normalise.js';
export { type Candidate, type PreferencePairs, preferencePairs } from './pairs.js';
