/** Mono waveforms: WAV files, levels, silence, sample rates. */
export { type AudioClip, decodeWav, encodeWav, readWav, writeWav } from './wav.js';
export { resample, rms, trimSilence } from './waveform.js';
