/** What a sample of speech is worth: judges in ONNX, error rates over IPA, rewards as plug-ins. */
export { cerReward } from './cer.js';
export { cer, segmentsOf } from './error-rate.js';
export { type Judge, openJudge } from './judge.js';
export { judgeToOnnx } from './judge-onnx.js';
export { loadReward } from './load-reward.js';
export { measurePace, type Pace, paceReward } from './pace.js';
export { qualityReward } from './quality.js';
export type { Parts, Reference, Reward, RewardBatch } from './reward.js';
export { type Scores, scoreAll } from './score-all.js';
export { ssimReward } from './ssim.js';
export { greedyTranscript } from './transcript.js';
