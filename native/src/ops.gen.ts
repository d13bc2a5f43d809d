// Generated from the op table by `npm run generate`; the source is the contract in each op's header, native/ops/*/*.h.
import { type ForwardOp, forwardOp, type Op, op } from './op.js';
import type { Tensor } from './tensor.js';

/**
 * Correlates each channel group over time with O filters; frames from lengths[b] on are zero.
 *
 * `y[b,o,t] = b[o] + sum_{c,j} w[o,c,j] x[b, g(o)*Cg + c, t*stride + j*dilation - pad_left] + residual[b,o,t],  t < lengths[b]`
 *
 * @see LeCun et al., Gradient-based learning applied to document recognition, 1998; PyTorch Conv1d
 */
export const conv1d: Op<
  {
    /** `[B, C, T]` signal */
    x: Tensor;
    /** `[O, Cg, k]` filters; Cg = C / groups; parameter */
    w: Tensor;
    /** `[O]` bias; parameter */
    b?: Tensor | undefined;
    /** `[B]` valid frames of y; i32 */
    lengths?: Tensor | undefined;
    /** `[B, O, To]` added to y; absent: 0 */
    residual?: Tensor | undefined;
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
    /** what is added at the edges; default zero */
    padMode?: 'zero' | 'replicate' | 'reflect' | undefined;
  },
  {
    /** `[B, O, To]` To = floor((T + pads - dilation*(k-1) - 1) / stride) + 1 */
    y: Tensor;
  },
  'x' | 'w' | 'b' | 'residual'
> = op('conv1d');

/**
 * Correlates planes with O filters.
 *
 * `y[b,o,p,q] = b[o] + sum_{c,i,j} w[o,c,i,j] x[b, c, p*stride_h + i*dilation_h - pad_h, q*stride_w + j*dilation_w - pad_w]`
 *
 * @see PyTorch Conv2d
 */
export const conv2d: Op<
  {
    /** `[B, C, H, W]` planes */
    x: Tensor;
    /** `[O, C, kh, kw]` filters; parameter */
    w: Tensor;
    /** `[O]` bias; parameter */
    b?: Tensor | undefined;
  },
  {
    /** step between output rows (integer in 1 … 4096); default 1 */
    strideH?: number | undefined;
    /** step between output columns (integer in 1 … 4096); default 1 */
    strideW?: number | undefined;
    /** rows added above and below (integer in 0 … 65536); default 0 */
    padH?: number | undefined;
    /** columns added left and right (integer in 0 … 65536); default 0 */
    padW?: number | undefined;
    /** step between tap rows (integer in 1 … 4096); default 1 */
    dilationH?: number | undefined;
    /** step between tap columns (integer in 1 … 4096); default 1 */
    dilationW?: number | undefined;
    /** what is added at the edges; default zero */
    padMode?: 'zero' | 'replicate' | 'reflect' | undefined;
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
    /** `[C, Og, k]` filters; Og = O / groups; parameter */
    w: Tensor;
    /** `[O]` bias; parameter */
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
 * Scales each row of v to length g. Rows are output channels, in transposed convolutions input channels.
 *
 * `w[a,:] = g[a] v[a,:] / |v[a,:]|`
 *
 * @see Salimans, Kingma: Weight Normalization, arXiv 1602.07868
 */
export const weightNorm: Op<
  {
    /** `[A, R]` directions; parameter */
    v: Tensor;
    /** `[A]` lengths; parameter */
    g: Tensor;
  },
  Record<never, never>,
  {
    /** `[A, R]` weights */
    w: Tensor;
  },
  'v' | 'g'
> = op('weight_norm');

/**
 * Snake with a learned frequency on the first half of the channels, leaky ReLU on the rest.
 *
 * `y[b,c,t + pad_left] = x + sin^2(alpha[c] x) / (alpha[c] + 1e-9) for c < A = floor(C/2), else x > 0 ? x : slope x;  y[b,c,t] = 0 for t < pad_left`
 *
 * @see Ziyin, Hartwig, Ueda: Neural Networks Fail to Learn Periodic Functions, arXiv 2006.08195; halves as in NanoCodec
 */
export const halfSnake: Op<
  {
    /** `[B, C, T]` signal */
    x: Tensor;
    /** `[A]` frequencies of the first A channels; parameter */
    alpha: Tensor;
  },
  {
    /** of the leaky half below 0 (real in 0 … 1); default 0.01 */
    slope?: number | undefined;
    /** zeros before, for a causal convolution to read (integer in 0 … 1048576); default 0 */
    padLeft?: number | undefined;
  },
  {
    /** `[B, C, To]` activations; To = pad_left + T */
    y: Tensor;
  },
  'x' | 'alpha'
> = op('half_snake');

/**
 * Identity above 0, a slope below.
 *
 * `y = x > 0 ? x : slope x`
 *
 * @see Maas, Hannun, Ng: Rectifier Nonlinearities Improve Neural Network Acoustic Models, 2013
 */
export const leakyRelu: Op<
  {
    /** `[..., C]` values */
    x: Tensor;
  },
  {
    /** below 0 (real in 0 … 1); default 0.01 */
    slope?: number | undefined;
  },
  {
    /** `[..., C]` activations */
    y: Tensor;
  },
  'x'
> = op('leaky_relu');

/**
 * Latents to codes and to the values that the codes stand for; frames from lengths[b] on are 0. What is not finite is refused.
 *
 * `k = round_even(scale tanh(x + tan(off / scale)) - off), scale = (L - 1)/2 (1 - 1e-3), off = L even ? 1/2 : 0; dequantized = k / floor(L/2); code = sum_d (k_d + floor(L_d/2)) prod_{e<d} L_e; backward takes the rounding as the identity`
 *
 * @see Mentzer et al.: Finite Scalar Quantization, arXiv 2309.15505
 */
export const fsqEncode: Op<
  {
    /** `[B, GD, T]` G groups of D channels */
    latent: Tensor;
    /** `[D]` steps L_d of each scalar of a group, >= 2; i32 */
    levels: Tensor;
    /** `[B]` valid frames; i32 */
    lengths?: Tensor | undefined;
  },
  Record<never, never>,
  {
    /** `[B, GD, T]` values of the codes */
    dequantized: Tensor;
    /** `[B, G, T]` 0 .. prod L - 1; i32 */
    codes: Tensor;
  },
  'latent'
> = op('fsq_encode');

/**
 * Codes to the values that they stand for, in f32; frames from lengths[b] on are 0.
 *
 * `dequantized[b, gD + d, t] = (floor(code / prod_{e<d} L_e) mod L_d - floor(L_d/2)) / floor(L_d/2)`
 *
 * @see Mentzer et al.: Finite Scalar Quantization, arXiv 2309.15505
 */
export const fsqDecode: ForwardOp<
  {
    /** `[B, G, T]` 0 .. prod L - 1; i32 */
    codes: Tensor;
    /** `[D]` steps L_d of each scalar of a group, >= 2; i32 */
    levels: Tensor;
    /** `[B]` valid frames; i32 */
    lengths?: Tensor | undefined;
  },
  Record<never, never>,
  {
    /** `[B, GD, T]` values of the codes */
    dequantized: Tensor;
  }
> = forwardOp('fsq_decode');

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
    /** `[C]` scale; parameter */
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
 * Multiplies each row by a weight matrix, adds a bias, applies GELU when asked.
 *
 * `y[.,o] = act(b[o] + sum_c w[o,c] x[.,c])`
 *
 * @see PyTorch Linear; Hendrycks, Gimpel: Gaussian Error Linear Units, arXiv 1606.08415 (tanh form)
 */
export const linear: Op<
  {
    /** `[..., C]` rows */
    x: Tensor;
    /** `[O, C]` weight; parameter */
    w: Tensor;
    /** `[O]` bias; parameter */
    b?: Tensor | undefined;
  },
  {
    /** activation; default none */
    act?: 'none' | 'gelu' | undefined;
  },
  {
    /** `[..., O]` rows */
    y: Tensor;
  },
  'x' | 'w' | 'b'
> = op('linear');

/**
 * A linear layer over k frames of time, as long as its input: zeros before the start and after the end.
 *
 * `y[b,t,o] = act(b[o] + sum_{c,j} w[o,c,j] x[b, t + j*dilation - left, c]),  left = (k-1)*dilation, halved unless causal`
 *
 * @see Waibel et al., Phoneme recognition using time-delay neural networks, 1989; PyTorch Conv1d
 */
export const conv1dBtc: Op<
  {
    /** `[B, T, C]` frames */
    x: Tensor;
    /** `[O, C, k]` filters; parameter */
    w: Tensor;
    /** `[O]` bias; parameter */
    b?: Tensor | undefined;
  },
  {
    /** a frame sees no later one (true | false); default false */
    causal?: boolean | undefined;
    /** step between taps in frames (integer in 1 … 4096); default 1 */
    dilation?: number | undefined;
    /** activation; default none */
    act?: 'none' | 'gelu' | undefined;
  },
  {
    /** `[B, T, O]` frames */
    y: Tensor;
  },
  'x' | 'w' | 'b'
> = op('conv1d_btc');

/**
 * Multi-head attention of a sequence to itself.
 *
 * `y[b,i,h] = sum_j softmax_j(q[b,i,h] . k[b,j,h] / sqrt(D)) v[b,j,h],  j <= i when causal`
 *
 * @see Vaswani et al., arXiv 1706.03762; Dao et al.: FlashAttention, arXiv 2205.14135
 */
export const selfAttention: Op<
  {
    /** `[B, T, 3*E]` queries, keys and values, each head-major */
    qkv: Tensor;
    /** `[B]` valid rows; absent: all; i32 */
    lengths?: Tensor | undefined;
  },
  {
    /** number of heads H (integer in 1 … 1024); default 1 */
    heads?: number | undefined;
    /** row i sees keys 0..i (true | false); default false */
    causal?: boolean | undefined;
    /** what lengths mask: rows and keys, or rows only; default outer */
    mask?: 'outer' | 'query' | undefined;
    /** probability of dropping an attention probability (real in 0 … 0.999); default 0 */
    dropout?: number | undefined;
    /** seed of the dropout (integer in 0 … ∞); default 0 */
    seed?: number | undefined;
    /** keeps the dropout of one seed's layers apart (integer in 0 … 1048576); default 0 */
    layer?: number | undefined;
  },
  {
    /** `[B, T, E]` weighted values */
    y: Tensor;
  },
  'qkv'
> = op('self_attention');

/**
 * Multi-head attention of rows to a memory that the samples of a prompt share, optionally under a prior.
 *
 * `s[b,h,i,j] = q[b,i,h] . k[b/group,j,h] / sqrt(D);  y = softmax(s) v;  training prior: softmax(max(log softmax(s) + log(prior + eps), strict ? log FLT_MIN : -inf));  inference prior: softmax(s) (prior + FLT_MIN), renormalised`
 *
 * @see Vaswani et al., arXiv 1706.03762; Shih et al.: RAD-TTS (alignment prior), 2021
 */
export const crossAttention: Op<
  {
    /** `[B, Tq, E]` queries */
    q: Tensor;
    /** `[P, Tk, 2*E]` keys and values of each prompt; B = P group */
    kv: Tensor;
    /** `[B]` valid query rows; absent: all; i32 */
    qLengths?: Tensor | undefined;
    /** `[P]` valid keys; absent: all; i32 */
    kvLengths?: Tensor | undefined;
    /** `[B, Tq, Tk]` non-negative weight of each key for each row; no gradient */
    prior?: Tensor | undefined;
  },
  {
    /** number of heads H (integer in 1 … 1024); default 1 */
    heads?: number | undefined;
    /** samples a prompt: sample b attends to kv of prompt b / group (integer in 1 … 1048576); default 1 */
    group?: number | undefined;
    /** training: log(prior + prior_eps) is added to the log-probabilities; inference: probabilities are multiplied by prior + FLT_MIN; default none */
    priorMode?: 'none' | 'training' | 'inference' | undefined;
    /** added to the prior in training (real in 1.1754943508222875e-38 … 1); default 1.1754943508222875e-38 */
    priorEps?: number | undefined;
    /** training: clamp the summed log-scores from below at log(FLT_MIN) (true | false); default false */
    strict?: boolean | undefined;
    /** what lengths mask: rows and keys, or rows only; default outer */
    mask?: 'outer' | 'query' | undefined;
    /** probability of dropping an attention probability (real in 0 … 0.999); default 0 */
    dropout?: number | undefined;
    /** seed of the dropout (integer in 0 … ∞); default 0 */
    seed?: number | undefined;
    /** keeps the dropout of one seed's layers apart (integer in 0 … 1048576); default 0 */
    layer?: number | undefined;
  },
  {
    /** `[B, Tq, E]` weighted values */
    y: Tensor;
  },
  'q' | 'kv'
> = op('cross_attention');

/**
 * The probabilities that cross_attention weighs the values with, before dropout.
 *
 * `probs[b,h,i,j] as in cross_attention; 0 for masked rows and keys`
 *
 * @see see cross_attention
 */
export const attentionProbs: ForwardOp<
  {
    /** `[B, Tq, E]` queries */
    q: Tensor;
    /** `[P, Tk, 2*E]` keys and values of each prompt; B = P group */
    kv: Tensor;
    /** `[B]` valid query rows; absent: all; i32 */
    qLengths?: Tensor | undefined;
    /** `[P]` valid keys; absent: all; i32 */
    kvLengths?: Tensor | undefined;
    /** `[B, Tq, Tk]` non-negative weight of each key for each row; no gradient */
    prior?: Tensor | undefined;
  },
  {
    /** number of heads H (integer in 1 … 1024); default 1 */
    heads?: number | undefined;
    /** samples a prompt: sample b attends to kv of prompt b / group (integer in 1 … 1048576); default 1 */
    group?: number | undefined;
    /** training: log(prior + prior_eps) is added to the log-probabilities; inference: probabilities are multiplied by prior + FLT_MIN; default none */
    priorMode?: 'none' | 'training' | 'inference' | undefined;
    /** added to the prior in training (real in 1.1754943508222875e-38 … 1); default 1.1754943508222875e-38 */
    priorEps?: number | undefined;
    /** training: clamp the summed log-scores from below at log(FLT_MIN) (true | false); default false */
    strict?: boolean | undefined;
    /** what lengths mask: rows and keys, or rows only; default outer */
    mask?: 'outer' | 'query' | undefined;
  },
  {
    /** `[B, H, Tq, Tk]` attention probabilities; no gradient */
    probs: Tensor;
  }
> = forwardOp('attention_probs');

/**
 * Scores before the softmax, averaged over heads; what the alignment loss reads.
 *
 * `scores[b,i,j] = 1/H sum_h q[b,i,h] . k[b/group,j,h] / sqrt(D) = q[b,i] . k[b/group,j] / (H sqrt(D))`
 *
 * @see Badlani et al.: One TTS Alignment To Rule Them All, arXiv 2108.10447
 */
export const attentionScores: Op<
  {
    /** `[B, Tq, E]` queries */
    q: Tensor;
    /** `[P, Tk, 2*E]` keys and values of each prompt; B = P group */
    kv: Tensor;
  },
  {
    /** number of heads H (integer in 1 … 1024); default 1 */
    heads?: number | undefined;
    /** samples a prompt: sample b attends to kv of prompt b / group (integer in 1 … 1048576); default 1 */
    group?: number | undefined;
  },
  {
    /** `[B, Tq, Tk]` mean scores */
    scores: Tensor;
  },
  'q' | 'kv'
> = op('attention_scores');

/**
 * Attention of one new row of each sample to the keys and values cached so far: those of a prefix that several samples may share, then its own.
 *
 * `y[r,h] = sum_j softmax_j(q[r,h] . k[r,h,j] / sqrt(D)) v[r,h,j],  j over the prefix's steps and the used[r] own ones`
 *
 * @see Vaswani et al., arXiv 1706.03762
 */
export const decodeAttention: ForwardOp<
  {
    /** `[R, H, D]` one query a sample and head; no gradient */
    q: Tensor;
    /** `[R, H, Tmax, D]` cached keys, those of a head adjacent; no gradient */
    k: Tensor;
    /** `[R, H, Tmax, D]` cached values; no gradient */
    v: Tensor;
    /** `[R]` valid cache rows; i32 */
    used: Tensor;
    /** `[S, H, Tp, D]` keys of the prefixes; no gradient */
    prefixK?: Tensor | undefined;
    /** `[S, H, Tp, D]` their values; no gradient */
    prefixV?: Tensor | undefined;
    /** `[S]` valid rows of each; i32 */
    prefixUsed?: Tensor | undefined;
    /** `[R]` the prefix of each sample; i32 */
    prefixOf?: Tensor | undefined;
  },
  Record<never, never>,
  {
    /** `[R, H, D]` weighted values; no gradient */
    y: Tensor;
  }
> = forwardOp('decode_attention');

/**
 * One table row for each id; a negative id gives a zero row.
 *
 * `y[.] = ids[.] < 0 ? 0 : table[ids[.]]`
 *
 * @see definition
 */
export const embedding: Op<
  {
    /** `[...]` rows to look up, below V; i32 */
    ids: Tensor;
    /** `[V, C]` one row an id; parameter */
    table: Tensor;
  },
  Record<never, never>,
  {
    /** `[..., C]` looked-up rows */
    y: Tensor;
  },
  'table'
> = op('embedding');

/**
 * Mean of the table rows of all codes of a stack of `stack` frames.
 *
 * `y[b,t] = 1/(K stack) sum_{i,k} table[(k + i K) V + codes[b, k, t stack + i]],  V = R / (K stack)`
 *
 * @see Hussain et al.: Koel-TTS, arXiv 2502.05236
 */
export const codebookEmbedding: Op<
  {
    /** `[B, K, Ts]` codes below V; i32 */
    codes: Tensor;
    /** `[R, C]` K stack tables of V rows, one after another; parameter */
    table: Tensor;
  },
  {
    /** frames a row (integer in 1 … 64); default 1 */
    stack?: number | undefined;
  },
  {
    /** `[B, T, C]` stacked frames, T = Ts / stack */
    y: Tensor;
  },
  'table'
> = op('codebook_embedding');

/**
 * Adds learned absolute positions.
 *
 * `y[b,t] = x[b,t] + table[offset + t]`
 *
 * @see Gehring et al.: Convolutional Sequence to Sequence Learning, arXiv 1705.03122
 */
export const addPositions: Op<
  {
    /** `[B, T, C]` rows */
    x: Tensor;
    /** `[P, C]` one row a position; parameter */
    table: Tensor;
  },
  {
    /** position of row 0 (integer in 0 … 16777216); default 0 */
    offset?: number | undefined;
  },
  {
    /** `[B, T, C]` rows with positions */
    y: Tensor;
  },
  'x' | 'table'
> = op('add_positions');

/**
 * Sum of two tensors of one shape.
 *
 * `y = a + b`
 *
 * @see definition
 */
export const add: Op<
  {
    /** `[..., C]` first term */
    a: Tensor;
    /** `[..., C]` second term */
    b: Tensor;
  },
  Record<never, never>,
  {
    /** `[..., C]` sum */
    y: Tensor;
  },
  'a' | 'b'
> = op('add');

/**
 * Multiplies by a constant.
 *
 * `y = factor x`
 *
 * @see definition
 */
export const scale: Op<
  {
    /** `[..., C]` values */
    x: Tensor;
  },
  {
    /** the constant (real in -∞ … ∞); default 1 */
    factor?: number | undefined;
  },
  {
    /** `[..., C]` scaled values */
    y: Tensor;
  },
  'x'
> = op('scale');

/**
 * Gaussian error linear unit, tanh form.
 *
 * `y = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`
 *
 * @see Hendrycks, Gimpel: Gaussian Error Linear Units, arXiv 1606.08415
 */
export const gelu: Op<
  {
    /** `[..., C]` values */
    x: Tensor;
  },
  Record<never, never>,
  {
    /** `[..., C]` activations */
    y: Tensor;
  },
  'x'
> = op('gelu');

/**
 * Hyperbolic tangent.
 *
 * `y = tanh(x),  dx = (1 - y^2) dy`
 *
 * @see definition
 */
export const tanh: Op<
  {
    /** `[..., C]` values */
    x: Tensor;
  },
  Record<never, never>,
  {
    /** `[..., C]` values in [-1, 1] */
    y: Tensor;
  },
  'x'
> = op('tanh');

/**
 * Limits values to a range; NaN stays NaN.
 *
 * `y = min(max(x, low), high),  dx = low <= x <= high ? dy : 0`
 *
 * @see definition
 */
export const clamp: Op<
  {
    /** `[..., C]` values */
    x: Tensor;
  },
  {
    /** least value (real in -∞ … ∞); default -1 */
    low?: number | undefined;
    /** greatest value (real in -∞ … ∞); default 1 */
    high?: number | undefined;
  },
  {
    /** `[..., C]` values in [low, high] */
    y: Tensor;
  },
  'x'
> = op('clamp');

/**
 * Zeroes each element with probability p and scales the others by 1 / (1 - p); p = 0 is the identity.
 *
 * `y[b,t,c] = keep(b, t C + c) x[b,t,c] / (1 - p), keep as in dropout_mask.h`
 *
 * @see Srivastava et al.: Dropout, JMLR 15, 2014
 */
export const dropout: Op<
  {
    /** `[B, T, C]` values */
    x: Tensor;
  },
  {
    /** probability of dropping an element (real in 0 … 0.999); default 0 */
    p?: number | undefined;
    /** seed of the mask (integer in 0 … ∞); default 0 */
    seed?: number | undefined;
    /** keeps the masks of one seed's layers apart (integer in 0 … 1048576); default 0 */
    layer?: number | undefined;
  },
  {
    /** `[B, T, C]` kept values */
    y: Tensor;
  },
  'x'
> = op('dropout');

/**
 * Zeroes the rows of each item beyond its length.
 *
 * `y[b,t] = t < lengths[b] ? x[b,t] : 0`
 *
 * @see definition
 */
export const maskRows: Op<
  {
    /** `[B, T, C]` rows */
    x: Tensor;
    /** `[B]` valid rows of each item; i32 */
    lengths: Tensor;
  },
  Record<never, never>,
  {
    /** `[B, T, C]` masked rows */
    y: Tensor;
  },
  'x'
> = op('mask_rows');

/**
 * Zeroes the frames of each item beyond its length, time on the last axis.
 *
 * `y[b,c,t] = t < lengths[b] ? x[b,c,t] : 0`
 *
 * @see definition
 */
export const maskTime: Op<
  {
    /** `[B, C, T]` channels */
    x: Tensor;
    /** `[B]` valid frames of each item; i32 */
    lengths: Tensor;
  },
  Record<never, never>,
  {
    /** `[B, C, T]` masked channels */
    y: Tensor;
  },
  'x'
> = op('mask_time');

/**
 * Swaps the last two axes: channels and time.
 *
 * `y[b,t,c] = x[b,c,t]`
 *
 * @see definition
 */
export const transpose: Op<
  {
    /** `[B, C, T]` channels first */
    x: Tensor;
  },
  Record<never, never>,
  {
    /** `[B, T, C]` time first */
    y: Tensor;
  },
  'x'
> = op('transpose');

/**
 * Joins two ragged sequences item by item, without a gap.
 *
 * `y[b] = a[b, 0 .. a_lengths[b]-1], b[b, 0 .. b_lengths[b]-1], zeros;  T = Ta + Tb`
 *
 * @see definition
 */
export const concatTime: Op<
  {
    /** `[B, Ta, C]` first rows */
    a: Tensor;
    /** `[B]` valid rows of a; i32 */
    aLengths: Tensor;
    /** `[B, Tb, C]` following rows */
    b: Tensor;
    /** `[B]` valid rows of b; i32 */
    bLengths: Tensor;
  },
  Record<never, never>,
  {
    /** `[B, T, C]` joined rows */
    y: Tensor;
  },
  'a' | 'b'
> = op('concat_time');

/**
 * Cuts a run of rows out of each item.
 *
 * `y[b,t] = t < lengths[b] ? x[b, start[b] + t] : 0`
 *
 * @see definition
 */
export const sliceTime: Op<
  {
    /** `[B, T, C]` rows */
    x: Tensor;
    /** `[B]` first row of each item; i32 */
    start: Tensor;
    /** `[B]` rows of each item, at most `frames`; i32 */
    lengths: Tensor;
  },
  {
    /** rows of the output (integer in 1 … 16777216); default 1 */
    frames?: number | undefined;
  },
  {
    /** `[B, To, C]` cut rows, To = frames */
    y: Tensor;
  },
  'x'
> = op('slice_time');

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
 * Mean squared difference of two ragged batches of waveforms, every valid sample weighted alike.
 *
 * `loss = sum_b sum_{s < len[b]} (a[b,s] - b[b,s])^2 / max(sum_b len[b], 1)`
 *
 * @see elementary
 */
export const squaredError: Op<
  {
    /** `[B, S]` predicted */
    a: Tensor;
    /** `[B, S]` target */
    b: Tensor;
    /** `[B]` samples of each item; i32 */
    lengths?: Tensor | undefined;
  },
  Record<never, never>,
  {
    /** `[1]` loss */
    loss: Tensor;
  },
  'a' | 'b'
> = op('squared_error');

/**
 * Mean and standard deviation of each channel over the valid frames of an item.
 *
 * `y[b,c] = 1/n sum_{t < n} x[b,t,c];  y[b,C+c] = sqrt(1/n sum_{t < n} (x[b,t,c] - y[b,c])^2 + eps);  n = lengths[b]`
 *
 * @see Snyder et al.: Deep Neural Network Embeddings for Text-Independent Speaker Verification, Interspeech 2017
 */
export const statsPool: Op<
  {
    /** `[B, T, C]` frames */
    x: Tensor;
    /** `[B]` valid frames of each item, at least 1; i32 */
    lengths: Tensor;
  },
  {
    /** added to the variance (real in 0 … 1); default 0.00001 */
    eps?: number | undefined;
  },
  {
    /** `[B, 2*C]` means, then deviations */
    y: Tensor;
  },
  'x'
> = op('stats_pool');

/**
 * Scales each row to length 1.
 *
 * `y[.,c] = x[.,c] / max(|x[.]|, eps)`
 *
 * @see PyTorch normalize
 */
export const l2Normalize: Op<
  {
    /** `[..., C]` rows */
    x: Tensor;
  },
  {
    /** least length to divide by (real in 1e-30 … 1); default 1e-12 */
    eps?: number | undefined;
  },
  {
    /** `[..., C]` rows of length 1 */
    y: Tensor;
  },
  'x'
> = op('l2_normalize');

/**
 * Cross-entropy of scaled cosines, where the cosine with the right class has to win by a margin.
 *
 * `z[b,n] = scale (cosines[b,n] - margin [n = labels[b]]);  loss = -1/B sum_b log softmax(z[b])[labels[b]]`
 *
 * @see Wang, Cheng, Liu, Liu: Additive Margin Softmax for Face Verification, arXiv 1801.05599
 */
export const marginSoftmax: Op<
  {
    /** `[B, N]` of each item with each class */
    cosines: Tensor;
    /** `[B]` the right classes; i32 */
    labels: Tensor;
  },
  {
    /** inverse temperature (real in 0.000001 … 10000); default 16 */
    scale?: number | undefined;
    /** what the right cosine is lowered by (real in 0 … 2); default 0.15 */
    margin?: number | undefined;
  },
  {
    /** `[1]` batch mean, nats */
    loss: Tensor;
  },
  'cosines'
> = op('margin_softmax');

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
    /** middle of the transition, as a share of the lower Nyquist frequency (real in 0.1 … 1); default 0.945 */
    rolloff?: number | undefined;
  },
  {
    /** `[B, So]` waveforms; 0 beyond ceil(length to / from) */
    y: Tensor;
  },
  'x'
> = op('resample');

/**
 * Log-probability of each target and entropy of each head, under exactly the distribution that sample_tokens draws from.
 *
 * `z[b,k,t,.] = w[k] . h[b,t] + b[k],  h = guidance x + (1 - guidance) x_uncond;  p of z as in sampling/distribution.h;  logprobs = log p[targets],  entropy = -sum_v p log p;  0 beyond lengths and where targets < 0`
 *
 * @see definition; the kept set of top-k and top-p is constant in the gradient
 */
export const tokenLogprobs: Op<
  {
    /** `[B, T, C]` rows under the heads */
    x: Tensor;
    /** `[KV, C]` heads, one below the other; parameter */
    w: Tensor;
    /** `[KV]` their biases; parameter */
    b?: Tensor | undefined;
    /** `[B, K, T]` ids; negative: ignored. Outside the kept set: -inf, without gradient; i32 */
    targets: Tensor;
    /** `[B]` valid frames; i32 */
    lengths: Tensor;
    /** `[B, T, C]` rows without conditioning */
    xUncond?: Tensor | undefined;
    /** `[V]` 0 = the id is never drawn; i32 */
    allowed?: Tensor | undefined;
  },
  {
    /** heads K; head k is rows k*V .. (k+1)*V-1 of w (integer in 1 … 4096); default 1 */
    codebooks?: number | undefined;
    /** divides the logits (real in 0.001 … 100); default 1 */
    temperature?: number | undefined;
    /** keep the k largest logits, ties included; 0 = all (integer in 0 … 1048576); default 0 */
    topK?: number | undefined;
    /** keep the likeliest ids that reach this probability; 1 = all (real in 0.000001 … 1); default 1 */
    topP?: number | undefined;
    /** logits are guidance * conditional + (1 - guidance) * unconditional (real in -100 … 100); default 1 */
    guidance?: number | undefined;
  },
  {
    /** `[B, K, T]` nats */
    logprobs: Tensor;
    /** `[B, K, T]` nats */
    entropy: Tensor;
  },
  'x' | 'w' | 'b' | 'xUncond'
> = op('token_logprobs');

/**
 * Exact KL divergence of each head's distribution from a reference's, over the whole vocabulary.
 *
 * `kl[b,k,t] = sum_v p log(p / q),  p = softmax((w[k] . x + b[k]) / temperature), q the same of the reference;  0 beyond lengths`
 *
 * @see Kullback, Leibler 1951
 */
export const tokenKl: Op<
  {
    /** `[B, T, C]` rows under the heads */
    x: Tensor;
    /** `[KV, C]` heads, one below the other; parameter */
    w: Tensor;
    /** `[KV]` their biases; parameter */
    b?: Tensor | undefined;
    /** `[B, T, C]` the reference's rows; no gradient */
    xRef: Tensor;
    /** `[KV, C]` the reference's heads; no gradient */
    wRef: Tensor;
    /** `[KV]` their biases; no gradient */
    bRef?: Tensor | undefined;
    /** `[B]` valid frames; i32 */
    lengths: Tensor;
  },
  {
    /** heads K; head k is rows k*V .. (k+1)*V-1 of w (integer in 1 … 4096); default 1 */
    codebooks?: number | undefined;
    /** divides the logits (real in 0.001 … 100); default 1 */
    temperature?: number | undefined;
  },
  {
    /** `[B, K, T]` nats, at least 0 */
    kl: Tensor;
  },
  'x' | 'w' | 'b'
> = op('token_kl');

/**
 * Cross-entropy of codec tokens: the mean over the batch's frames for each codebook, then over codebooks.
 *
 * `loss = 1/K sum_k (sum_{b,t} M[b,k,t] * -logprobs[b,k,t]) / (sum_{b,t} M[b,k,t]),  M = t < lengths[b] and mask != 0;  a codebook without frames gives 0`
 *
 * @see Hussain et al.: Koel-TTS, arXiv 2502.05236
 */
export const codebookCrossEntropy: Op<
  {
    /** `[B, K, T]` of the target tokens, nats */
    logprobs: Tensor;
    /** `[B]` valid frames; i32 */
    lengths: Tensor;
    /** `[B, K, T]` 0 = the token does not count; i32 */
    mask?: Tensor | undefined;
  },
  Record<never, never>,
  {
    /** `[1]` nats a token */
    loss: Tensor;
  },
  'logprobs'
> = op('codebook_cross_entropy');

/**
 * Log-probability of a whole sample: the sum over its frames and codebooks.
 *
 * `y[b] = sum_k sum_{t < lengths[b]} logprobs[b,k,t]`
 *
 * @see definition
 */
export const sequenceLogprob: Op<
  {
    /** `[B, K, T]` of the tokens, nats */
    logprobs: Tensor;
    /** `[B]` valid frames; i32 */
    lengths: Tensor;
  },
  Record<never, never>,
  {
    /** `[B]` nats */
    y: Tensor;
  },
  'logprobs'
> = op('sequence_logprob');

/**
 * Negative log-likelihood of label sequences under all their alignments to the frames.
 *
 * `per_item[b] = -log sum_{alignments a of targets[b]} prod_t softmax(logits[b,t])[a_t];  loss = 1/B sum_b per_item[b] / max(1, target_lengths[b])`
 *
 * @see Graves et al.: Connectionist Temporal Classification, ICML 2006
 */
export const ctcLoss: Op<
  {
    /** `[B, T, V]` scores of the labels at each frame */
    logits: Tensor;
    /** `[B, U]` labels, none of them blank; i32 */
    targets: Tensor;
    /** `[B]` valid frames; i32 */
    inputLengths: Tensor;
    /** `[B]` valid labels; i32 */
    targetLengths: Tensor;
  },
  {
    /** the label that stands for nothing (integer in 0 … 16777216); default 0 */
    blank?: number | undefined;
    /** items without an alignment count as 0 (true | false); default false */
    zeroInfinity?: boolean | undefined;
  },
  {
    /** `[1]` batch mean, nats a label */
    loss: Tensor;
    /** `[B]` nats, not divided by the length */
    perItem: Tensor;
  },
  'logits'
> = op('ctc_loss');

/**
 * Alignment loss: attention scores as CTC logits of the text positions, which must be visited in order.
 *
 * `CTC over softmax([blank_score, scores[b,t,0..n_b-1]]) with labels 1..n_b, zero_infinity;  n_b = text length: target_lengths[b], or the largest of targets[b]`
 *
 * @see Badlani et al.: One TTS Alignment To Rule Them All, arXiv 2108.10447
 */
export const forwardSumLoss: Op<
  {
    /** `[B, T, N]` attention scores before the softmax */
    scores: Tensor;
    /** `[B]` valid frames; i32 */
    inputLengths: Tensor;
    /** `[B]` text positions; with targets: valid targets; i32 */
    targetLengths: Tensor;
    /** `[B, U]` positions to visit, from 1, if not all (lead bytes only); the text ends with the largest; i32 */
    targets?: Tensor | undefined;
  },
  {
    /** score of the blank at every frame (real in -10000 … 10000); default -1 */
    blankScore?: number | undefined;
  },
  {
    /** `[1]` batch mean, nats a label */
    loss: Tensor;
  },
  'scores'
> = op('forward_sum_loss');

/**
 * Beta-binomial distributions over text positions that move from the first to the last in step with the frames.
 *
 * `prior[b, prefix_b + y - 1, x] = p + (1 - p) blend,  p = C(n,x) B(x + a, n - x + e) / B(a, e),  n = N_b - 1, a = scaling y, e = scaling (M_b + 1 - y),  y = 1..M_b, x = 0..n;  0 elsewhere`
 *
 * @see Shih et al.: RAD-TTS, ICML 2021 workshop; Badlani et al., arXiv 2108.10447
 */
export const betaBinomialPrior: ForwardOp<
  {
    /** `[B]` frames M_b of each item; i32 */
    frames: Tensor;
    /** `[B]` text positions N_b of each item; i32 */
    textLengths: Tensor;
    /** `[B]` rows before the first frame; absent: none; i32 */
    prefix?: Tensor | undefined;
  },
  {
    /** rows T (integer in 1 … 16777216); default 1 */
    maxFrames?: number | undefined;
    /** columns N (integer in 1 … 16777216); default 1 */
    maxText?: number | undefined;
    /** sharpness: larger is narrower (real in 0.000001 … 1000000); default 0.5 */
    scaling?: number | undefined;
    /** 0 = the prior, 1 = no prior (all ones) (real in 0 … 1); default 0 */
    blend?: number | undefined;
  },
  {
    /** `[B, T, N]` f32; each row of a frame sums to 1 while blend is 0; no gradient */
    prior: Tensor;
  }
> = forwardOp('beta_binomial_prior');

/**
 * Clipped policy-gradient loss of codec tokens, with KL and entropy terms and the figures worth watching.
 *
 * `loss = sum_b w_b sum_{k,t} M[b,t] (-min(r A_bt, clip(r, 1 - clip_low, 1 + clip_high) A_bt) + kl_weight kl - entropy_weight entropy);  A, r, kl and w in rl/policy_loss/policy_loss.h`
 *
 * @see Schulman et al.: PPO, arXiv 1707.06347; Shao et al.: DeepSeekMath (grpo), arXiv 2402.03300; Liu et al. (dr_grpo), arXiv 2503.20783; Yu et al. (dapo), arXiv 2503.14476; Zheng et al. (gspo), arXiv 2507.18071; Schulman: Approximating KL Divergence, 2020 (k1, k2, k3)
 */
export const policyLoss: Op<
  {
    /** `[B, K, T]` of the sampled tokens under the policy, nats */
    logprobs: Tensor;
    /** `[B]` one a sample; no gradient */
    advantages: Tensor;
    /** `[B]` valid frames; i32 */
    lengths: Tensor;
    /** `[B, K, T]` under the policy that sampled; absent: it is the policy itself; no gradient */
    oldLogprobs?: Tensor | undefined;
    /** `[B, K, T]` under the reference, for kl k1, k2, k3; no gradient */
    refLogprobs?: Tensor | undefined;
    /** `[B, K, T]` of the policy at each token, nats */
    entropy?: Tensor | undefined;
    /** `[B, K, T]` exact KL to the reference at each token, for kl exact */
    kl?: Tensor | undefined;
    /** `[B, T]` 0 = the frame does not count (an end that was forced on a truncated sample); i32 */
    mask?: Tensor | undefined;
    /** `[B, T]` added to the sample's at each frame; not for gspo; no gradient */
    frameAdvantages?: Tensor | undefined;
  },
  {
    /** how tokens are averaged, and whose ratio is clipped; default grpo */
    kind?: 'grpo' | 'dr_grpo' | 'dapo' | 'gspo' | undefined;
    /** ratios below 1 - clip_low are clipped; 0 = never (real in 0 … 1); default 0 */
    clipLow?: number | undefined;
    /** ratios above 1 + clip_high are clipped; 0 = never (real in 0 … 1000000); default 0 */
    clipHigh?: number | undefined;
    /** estimator of KL(policy || reference); default none */
    kl?: 'none' | 'k1' | 'k2' | 'k3' | 'exact' | undefined;
    /** weight of the KL in the loss; 0 = it is only measured (real in 0 … 1000000); default 0 */
    klWeight?: number | undefined;
    /** weight of the entropy bonus (real in 0 … 1000000); default 0 */
    entropyWeight?: number | undefined;
    /** dr_grpo: the divisor, usually the generation limit (integer in 0 … 16777216); default 0 */
    maxFrames?: number | undefined;
  },
  {
    /** `[1]` to be minimised */
    loss: Tensor;
    /** `[8]` over kept tokens: [0] mean r; [1] max |logprobs - old_logprobs|; fraction whose gradient the clip removed [2] below, [3] above; [4] mean kl; [5] mean entropy; [6] number of tokens; [7] tokens outside the support, which 0 and 1 leave out; no gradient */
    stats: Tensor;
  },
  'logprobs' | 'entropy' | 'kl'
> = op('policy_loss');

/**
 * Direct preference optimisation and its relatives, on log-probabilities of whole samples.
 *
 * `h = (chosen - rejected) - (ref_chosen - ref_rejected), mean over pairs of  dpo: -(1-e) log s(beta h) - e log s(-beta h);  ipo: (h - 1/(2 beta))^2;  rpo: KL(Bern(s(eta gap)) || Bern(s(beta h)));  rpo_sq: (beta h - eta gap)^2;  each - sft_weight chosen;  s = sigmoid, e = label_smoothing`
 *
 * @see Rafailov et al. (dpo), arXiv 2305.18290; Azar et al. (ipo), arXiv 2310.12036; Adler et al.: Nemotron-4 340B (rpo), arXiv 2406.11704
 */
export const preferenceLoss: Op<
  {
    /** `[P]` log-probability of each preferred sample, summed over its tokens */
    chosen: Tensor;
    /** `[P]` the same of the other sample */
    rejected: Tensor;
    /** `[P]` under the reference model; no gradient */
    refChosen: Tensor;
    /** `[P]` under the reference model; no gradient */
    refRejected: Tensor;
    /** `[P]` reward of the preferred minus that of the other sample, for rpo and rpo_sq; no gradient */
    rewardGap?: Tensor | undefined;
  },
  {
    /** the loss; default dpo */
    kind?: 'dpo' | 'ipo' | 'rpo' | 'rpo_sq' | undefined;
    /** strength of the pull towards the reference (real in 1e-9 … 1000000); default 0.01 */
    beta?: number | undefined;
    /** rpo, rpo_sq: scale of the reward gap (real in 0 … 1000000); default 1 */
    eta?: number | undefined;
    /** dpo: probability that a preference is the wrong way round (real in 0 … 0.5); default 0 */
    labelSmoothing?: number | undefined;
    /** weight of -chosen, which keeps the preferred sample likely (real in 0 … 1000000); default 0 */
    sftWeight?: number | undefined;
  },
  {
    /** `[1]` mean over pairs; 0 without pairs */
    loss: Tensor;
    /** `[P]` beta h; no gradient */
    margins: Tensor;
  },
  'chosen' | 'rejected'
> = op('preference_loss');

/**
 * Rewards minus their group's mean, on request divided by the group's deviation; marks groups that say nothing.
 *
 * `A[p,g] = (r[p,g] - mean_p) / s_p,  s_p = 1 (none) or max(std_p, std_floor) (std);  mean and population std over the kept samples;  std_p <= min_std: valid[p] = 0 and A[p,.] = 0`
 *
 * @see Shao et al.: DeepSeekMath, arXiv 2402.03300 (std); Liu et al.: Understanding R1-Zero-Like Training, arXiv 2503.20783 (none)
 */
export const groupAdvantages: ForwardOp<
  {
    /** `[P, G]` one group of rollouts a prompt; no gradient */
    rewards: Tensor;
    /** `[P, G]` 0 = left out of the group: advantage 0; i32 */
    mask?: Tensor | undefined;
  },
  {
    /** what the centred rewards are divided by; default none */
    scale?: 'none' | 'std' | undefined;
    /** least divisor, so that rounding noise never becomes an advantage of 1 (real in 1e-12 … ∞); default 0.05 */
    stdFloor?: number | undefined;
    /** groups with this deviation or less are invalid (real in 0 … ∞); default 0 */
    minStd?: number | undefined;
  },
  {
    /** `[P, G]` sum to 0 over the kept samples of a group; no gradient */
    advantages: Tensor;
    /** `[P]` 0 = the rewards do not differ by more than min_std, or fewer than two are kept; i32 */
    valid: Tensor;
  }
> = forwardOp('group_advantages');

/**
 * Draws one token a row, with its log-probability and the row's entropy under the truncated distribution.
 *
 * `tokens[r] = min {v : sum_{u<=v} p[r,u] > U},  p as in sampling/distribution.h,  U = Philox(seed, sample[r], position * rows_per_sample + r % rows_per_sample)`
 *
 * @see Fan, Lewis, Dauphin: Hierarchical Neural Story Generation, arXiv 1805.04833 (top-k); Holtzman et al.: The Curious Case of Neural Text Degeneration, arXiv 1904.09751 (top-p)
 */
export const sampleTokens: ForwardOp<
  {
    /** `[R, V]` one row a codebook; no gradient */
    logits: Tensor;
    /** `[R, V]` logits without conditioning; no gradient */
    uncond?: Tensor | undefined;
    /** `[V]` 0 = the id is never drawn; i32 */
    allowed?: Tensor | undefined;
    /** `[R]` whose random numbers a row uses; never negative; i32 */
    sample: Tensor;
  },
  {
    /** divides the logits; 0 = the largest logit, with log-probability 0 (real in 0 … 100); default 1 */
    temperature?: number | undefined;
    /** keep the k largest logits, ties included; 0 = all (integer in 0 … 1048576); default 0 */
    topK?: number | undefined;
    /** keep the likeliest ids that reach this probability; 1 = all (real in 0.000001 … 1); default 1 */
    topP?: number | undefined;
    /** logits are guidance * conditional + (1 - guidance) * unconditional (real in -100 … 100); default 1 */
    guidance?: number | undefined;
    /** of the random numbers (integer in 0 … ∞); default 0 */
    seed?: number | undefined;
    /** step of the generation (integer in 0 … ∞); default 0 */
    position?: number | undefined;
    /** rows of one sample at one step (codebooks) (integer in 1 … 65536); default 1 */
    rowsPerSample?: number | undefined;
  },
  {
    /** `[R]` the drawn ids; i32 */
    tokens: Tensor;
    /** `[R]` their log-probabilities, nats; no gradient */
    logprobs: Tensor;
    /** `[R]` of the distribution drawn from, nats; no gradient */
    entropy: Tensor;
    /** `[R]` the ids of the largest logits, the first of equals; i32 */
    likeliest: Tensor;
  }
> = forwardOp('sample_tokens');

/**
 * One AdamW step; the outputs may be the inputs' own memory, with the same bits.
 *
 * `g = grad_scale grads;  m = beta1 exp_avg + (1 - beta1) g;  v = beta2 exp_avg_sq + (1 - beta2) g^2;  new_params = params (1 - lr weight_decay) - lr m / (1 - beta1^step) / (sqrt(v / (1 - beta2^step)) + eps)`
 *
 * @see Loshchilov, Hutter: Decoupled Weight Decay Regularization, arXiv 1711.05101; the order of PyTorch's AdamW
 */
export const adamw: ForwardOp<
  {
    /** `[N]` weights; no gradient */
    params: Tensor;
    /** `[N]` their gradients; no gradient */
    grads: Tensor;
    /** `[N]` mean of the gradients, 0 before the first step; no gradient */
    expAvg: Tensor;
    /** `[N]` mean of their squares, 0 before the first step; no gradient */
    expAvgSq: Tensor;
  },
  {
    /** step size (real in 0 … 1000); default 0.001 */
    lr?: number | undefined;
    /** decay of exp_avg (real in 0 … 0.9999999); default 0.9 */
    beta1?: number | undefined;
    /** decay of exp_avg_sq (real in 0 … 0.9999999); default 0.999 */
    beta2?: number | undefined;
    /** added to the root of v (real in 0 … 1); default 1e-8 */
    eps?: number | undefined;
    /** share of the weights removed a step, times lr (real in 0 … 1000); default 0.01 */
    weightDecay?: number | undefined;
    /** number of this step, from 1 (integer in 1 … ∞); default 1 */
    step?: number | undefined;
    /** multiplies the gradients (clipping, averaging) (real in 0 … ∞); default 1 */
    gradScale?: number | undefined;
  },
  {
    /** `[N]` weights after the step; no gradient */
    newParams: Tensor;
    /** `[N]` m; no gradient */
    newExpAvg: Tensor;
    /** `[N]` v; no gradient */
    newExpAvgSq: Tensor;
  }
> = forwardOp('adamw');

/**
 * Euclidean norm of a flat gradient, and the number of elements that are NaN or infinite.
 *
 * `norm = sqrt(sum_i grads[i]^2), summed in f64;  not finite when an element is not`
 *
 * @see definition
 */
export const gradNorm: ForwardOp<
  {
    /** `[N]` gradient; no gradient */
    grads: Tensor;
  },
  Record<never, never>,
  {
    /** `[1]` its length; no gradient */
    norm: Tensor;
    /** `[1]` elements that are NaN or infinite; i32 */
    nonfinite: Tensor;
  }
> = forwardOp('grad_norm');
