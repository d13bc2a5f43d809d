export {
  Align2SpeakError,
  CheckpointError,
  ConfigError,
  DataError,
  DeviceError,
  type ErrorCode,
  type ErrorParts,
  RewardError,
  ShapeError,
} from './errors.js';
