// Generated from the op table by `npm run generate`; the source is the contract in each op's header, native/ops/*/*.h.
import { type Op, op } from './op.js';
import type { Tensor } from './tensor.js';

/**
 * Correlates each channel group over time with O filters; frames from lengths[b] on are zero.
 *
 * `y[b,o,t] = b[o] + sum_{c,j} w[o,c,j] x[b, g(o)*Cg + c, t*stride + j*dilation - pad_left],  t < lengths[b]`
 *
 * @see LeCun et al., Gradient-based learning applied to document recognition, 1998; PyTorch Conv1d
 */
export const conv1d: Op<
  {
    /** `[B, C, T]` signal */
    x: Tensor;
    /** `[O, Cg, k]` filters; Cg = C / groups; a parameter: its gradient is accumulated */
    w: Tensor;
    /** `[O]` bias; a parameter: its gradient is accumulated */
    b?: Tensor | undefined;
    /** `[B]` valid frames of y; i32 */
    lengths?: Tensor | undefined;
  },
  {
    /** step between outputs (integer in 1 … 4096); default 1 */
    stride?: number | undefined;
    /** step between taps (integer in 1 … 4096); default 1 */
    dilation?: number | undefined;
    /** independent channel groups (integer in 1 … 65536); default 1 */
    groups?: number | undefined;
    /** frames added before (integer in 0 … 1048576); default 0 */
    padLeft?: number | undefined;
    /** frames added after (integer in 0 … 1048576); default 0 */
    padRight?: number | undefined;
    /** what the added frames hold; default zero */
    padMode?: 'zero' | 'replicate' | 'reflect' | undefined;
  },
  {
    /** `[B, O, To]` To = floor((T + pads - dilation*(k-1) - 1) / stride) + 1 */
    y: Tensor;
  },
  'x' | 'w' | 'b'
> = op('conv1d');

/**
 * Correlates planes with O filters, zeros around.
 *
 * `y[b,o,p,q] = b[o] + sum_{c,i,j} w[o,c,i,j] x[b, c, p*stride_h + i*dilation_h - pad_h, q*stride_w + j*dilation_w - pad_w]`
 *
 * @see PyTorch Conv2d
 */
export const conv2d: Op<
  {
    /** `[B, C, H, W]` planes */
    x: Tensor;
    /** `[O, C, kh, kw]` filters; a parameter: its gradient is accumulated */
    w: Tensor;
    /** `[O]` bias; a parameter: its gradient is accumulated */
    b?: Tensor | undefined;
  },
  {
    /** step between output rows (integer in 1 … 4096); default 1 */
    strideH?: number | undefined;
    /** step between output columns (integer in 1 … 4096); default 1 */
    strideW?: number | undefined;
    /** zero rows above and below (integer in 0 … 65536); default 0 */
    padH?: number | undefined;
    /** zero columns left and right (integer in 0 … 65536); default 0 */
    padW?: number | undefined;
    /** step between tap rows (integer in 1 … 4096); default 1 */
    dilationH?: number | undefined;
    /** step between tap columns (integer in 1 … 4096); default 1 */
    dilationW?: number | undefined;
  },
  {
    /** `[B, O, Ho, Wo]` Ho = floor((H + 2*pad_h - dilation_h*(kh-1) - 1) / stride_h) + 1, Wo likewise */
    y: Tensor;
  },
  'x' | 'w' | 'b'
> = op('conv2d');

/**
 * The adjoint of conv1d as a layer: each input frame adds a scaled filter at stride-spaced positions.
 *
 * `y[b,o,u] = b[o] + sum over c in group(o) and j with t*stride + j = u + trim_left of w[c, o mod Og, j] x[b,c,t],  u < lengths[b]`
 *
 * @see PyTorch ConvTranspose1d; trims as in causal up-sampling (trim_right = k - stride)
 */
export const convTranspose1d: Op<
  {
    /** `[B, C, T]` signal */
    x: Tensor;
    /** `[C, Og, k]` filters; Og = O / groups; a parameter: its gradient is accumulated */
    w: Tensor;
    /** `[O]` bias; a parameter: its gradient is accumulated */
    b?: Tensor | undefined;
    /** `[B]` valid frames of y; i32 */
    lengths?: Tensor | undefined;
  },
  {
    /** step between input frames in y (integer in 1 … 4096); default 1 */
    stride?: number | undefined;
    /** independent channel groups (integer in 1 … 65536); default 1 */
    groups?: number | undefined;
    /** frames dropped at the start (integer in 0 … 1048576); default 0 */
    trimLeft?: number | undefined;
    /** frames dropped at the end (integer in 0 … 1048576); default 0 */
    trimRight?: number | undefined;
  },
  {
    /** `[B, O, To]` O = Og * groups, To = (T - 1)*stride + k - trims */
    y: Tensor;
  },
  'x' | 'w' | 'b'
> = op('conv_transpose1d');

/**
 * Normalises each row to mean 0 and variance 1 over the last axis, then scales it; no bias.
 *
 * `y[.,c] = (x[.,c] - mean[.]) * rstd[.] * w[c],  rstd = 1 / sqrt(var + eps)`
 *
 * @see Ba, Kiros, Hinton: Layer Normalization, arXiv 1607.06450
 */
export const layerNorm: Op<
  {
    /** `[..., C]` rows to normalise */
    x: Tensor;
    /** `[C]` scale; a parameter: its gradient is accumulated */
    w: Tensor;
  },
  {
    /** added to the variance (real in 0 … 1); default 0.00001 */
    eps?: number | undefined;
  },
  {
    /** `[..., C]` normalised rows */
    y: Tensor;
  },
  'x' | 'w'
> = op('layer_norm');

/**
 * Short-time Fourier transform; real rows 0..F-1, imaginary rows F..2F-1.
 *
 * `y[b,f,t] + i y[b,F+f,t] = g sum_n window[n] x[b, t hop - P + n] e^(-2 pi i f n / n_fft),  g = normalized ? n_fft^-1/2 : 1`
 *
 * @see torch.stft (onesided)
 */
export const stft: Op<
  {
    /** `[B, S]` waveforms */
    x: Tensor;
    /** `[W]` W <= n_fft weights, centred in the frame; no gradient */
    window: Tensor;
    /** `[B]` samples of each item; i32 */
    lengths?: Tensor | undefined;
  },
  {
    /** transform size: even, factors 2, 3 and 5 only (integer in 4 … 65536); default 1024 */
    nFft?: number | undefined;
    /** samples from one frame to the next (integer in 1 … 65536); default 256 */
    hop?: number | undefined;
    /** centre padding of n_fft/2 samples; default none */
    pad?: 'none' | 'zero' | 'reflect' | undefined;
    /** divide by sqrt(n_fft) (true | false); default false */
    normalized?: boolean | undefined;
  },
  {
    /** `[B, 2*F, T]` spectra */
    y: Tensor;
  },
  'x'
> = op('stft');

/**
 * Magnitudes of the short-time Fourier transform and their logarithms.
 *
 * `magnitude = sqrt(re^2 + im^2 + eps);  y = log(magnitude + offset);  d magnitude = 0 where it is 0`
 *
 * @see Yamamoto, Song, Kim: Parallel WaveGAN, arXiv 1910.11480
 */
export const logStft: Op<
  {
    /** `[B, S]` waveforms */
    x: Tensor;
    /** `[B]` samples of each item; i32 */
    lengths?: Tensor | undefined;
  },
  {
    /** transform size: even, factors 2, 3 and 5 only (integer in 4 … 65536); default 1024 */
    nFft?: number | undefined;
    /** samples from one frame to the next (integer in 1 … 65536); default 256 */
    hop?: number | undefined;
    /** window length, at most n_fft; 0 means n_fft (integer in 0 … 65536); default 0 */
    win?: number | undefined;
    /** periodic or symmetric Hann window; default hann */
    window?: 'hann' | 'hann_symmetric' | undefined;
    /** centre padding of n_fft/2 samples; default none */
    pad?: 'none' | 'zero' | 'reflect' | undefined;
    /** added to the squared magnitude (real in 0 … 1); default 0.00001 */
    eps?: number | undefined;
    /** added before the logarithm (real in 1e-30 … 1000); default 1 */
    offset?: number | undefined;
  },
  {
    /** `[B, F, T]` log magnitudes */
    y: Tensor;
    /** `[B, F, T]` magnitudes */
    magnitude: Tensor;
  },
  'x'
> = op('log_stft');

/**
 * Log mel spectrogram: triangular filters on the mel scale over magnitudes or powers.
 *
 * `e[n] = x[n] - pre_emphasis x[n-1];  p[f] = (re^2 + im^2 + eps)^(power/2);  y[b,m,t] = log(sum_f filter[m,f] p[f] + offset);  d p = 0 where it is 0`
 *
 * @see Slaney: Auditory Toolbox, 1998; HTK Book 3.4, 5.4
 */
export const logMel: Op<
  {
    /** `[B, S]` waveforms */
    x: Tensor;
    /** `[B]` samples of each item; i32 */
    lengths?: Tensor | undefined;
  },
  {
    /** Hz (integer in 100 … 1000000); default 16000 */
    sampleRate?: number | undefined;
    /** transform size: even, factors 2, 3 and 5 only (integer in 4 … 65536); default 1024 */
    nFft?: number | undefined;
    /** samples from one frame to the next (integer in 1 … 65536); default 256 */
    hop?: number | undefined;
    /** window length, at most n_fft; 0 means n_fft (integer in 0 … 65536); default 0 */
    win?: number | undefined;
    /** periodic or symmetric Hann window; default hann */
    window?: 'hann' | 'hann_symmetric' | undefined;
    /** centre padding of n_fft/2 samples; default none */
    pad?: 'none' | 'zero' | 'reflect' | undefined;
    /** filters (integer in 1 … 4096); default 80 */
    nMels?: number | undefined;
    /** lower edge of the first filter, Hz (real in 0 … 1000000); default 0 */
    fMin?: number | undefined;
    /** upper edge of the last filter, Hz; 0 means sample_rate / 2 (real in 0 … 1000000); default 0 */
    fMax?: number | undefined;
    /** mel scale: linear to 1 kHz then logarithmic, or 2595 log10(1 + f/700); default slaney */
    scale?: 'slaney' | 'htk' | undefined;
    /** filters of height 1, or of area 1 over frequency in Hz; default none */
    norm?: 'none' | 'slaney' | undefined;
    /** 1: magnitudes, 2: powers (integer in 1 … 2); default 1 */
    power?: number | undefined;
    /** added to the squared magnitude (real in 0 … 1); default 0 */
    eps?: number | undefined;
    /** added before the logarithm (real in 1e-30 … 1000); default 0.01 */
    offset?: number | undefined;
    /** share of the previous sample to subtract; the first stays (real in 0 … 1); default 0 */
    preEmphasis?: number | undefined;
  },
  {
    /** `[B, M, T]` log mel energies */
    y: Tensor;
  },
  'x'
> = op('log_mel');

/**
 * Mean absolute difference of two ragged [B, C, T] batches, each item weighted alike.
 *
 * `loss = 1/B sum_b 1/max(len[b],1) sum_{t < len[b]} 1/C sum_c |a[b,c,t] - b[b,c,t]|;  d|0| = 0`
 *
 * @see Casanova et al.: Low Frame-rate Speech Codec, arXiv 2409.12117 (mel reconstruction loss)
 */
export const maskedL1: Op<
  {
    /** `[B, C, T]` predicted */
    a: Tensor;
    /** `[B, C, T]` target */
    b: Tensor;
    /** `[B]` frames of each item; i32 */
    lengths?: Tensor | undefined;
  },
  Record<never, never>,
  {
    /** `[1]` loss */
    loss: Tensor;
  },
  'a' | 'b'
> = op('masked_l1');

/**
 * Frobenius norm of the difference of two batches of spectra relative to that of the target.
 *
 * `loss = |a - b| / max(|b|, floor), norms over all valid frames of the batch; gradient 0 at a = b`
 *
 * @see Arik, Jun, Diamos: Fast Spectrogram Inversion, arXiv 1808.06719; batch norms as in arXiv 1910.11480
 */
export const spectralConvergence: Op<
  {
    /** `[B, C, T]` predicted */
    a: Tensor;
    /** `[B, C, T]` target */
    b: Tensor;
    /** `[B]` frames of each item; i32 */
    lengths?: Tensor | undefined;
  },
  {
    /** least norm of the target to divide by (real in 1e-30 … 1); default 1e-8 */
    floor?: number | undefined;
  },
  {
    /** `[1]` loss */
    loss: Tensor;
  },
  'a' | 'b'
> = op('spectral_convergence');

/**
 * Band-limited conversion of waveforms from one sample rate to another; samples outside an item are 0.
 *
 * `y[b,j] = sum_i x[b,i] h(j from/to - i),  h(t) = c sinc(c t) kaiser_beta(c t / zeros),  c = rolloff min(1, to/from);  So = ceil(S to / from)`
 *
 * @see Smith: Digital Audio Resampling, ccrma.stanford.edu/~jos/resample; Kaiser 1974
 */
export const resample: Op<
  {
    /** `[B, S]` waveforms */
    x: Tensor;
    /** `[B]` samples of each item; i32 */
    lengths?: Tensor | undefined;
  },
  {
    /** sample rate of x, Hz (integer in 1 … 1000000); default 22050 */
    from?: number | undefined;
    /** of y, Hz (integer in 1 … 1000000); default 16000 */
    to?: number | undefined;
    /** zero crossings of the sinc on each side: length of the filter (integer in 1 … 1024); default 64 */
    zeros?: number | undefined;
    /** Kaiser window: larger is less aliasing, wider transition (real in 0 … 30); default 11.5 */
    beta?: number | undefined;
    /** middle of the transition, as a share of the lower Nyquist frequency (real in 0.1 … 1); default 0.94 */
    rolloff?: number | undefined;
  },
  {
    /** `[B, So]` waveforms; 0 beyond ceil(length to / from) */
    y: Tensor;
  },
  'x'
> = op('resample');
