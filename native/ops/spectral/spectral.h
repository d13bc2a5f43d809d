// Short-time spectra of waveforms and the losses between them.
//
// Framing, the same for all: frame t covers samples t*hop - P .. t*hop - P + n_fft of an item, with P = n_fft/2 for
// pad `zero` and `reflect` (centre padding) and P = 0 for `none`; T = 1 + floor((S + 2P - n_fft) / hop), so
// T = 1 + floor(S / hop) when centred. A window shorter than n_fft stands in the middle of the frame. `reflect` folds
// as often as needed, so it is defined for items shorter than the padding. With `lengths` (samples) an item is
// exactly what it would be alone: samples beyond are not read, padding acts at the item's own end, frames that the
// item alone would not have are 0, and an item of length 0 has no frames. Spectra are not kept: backward runs the
// forward transform again. n_fft is even and has no prime factor above 5; F = n_fft / 2 + 1 bins.
//
// One resolution (n_fft, hop, win) of a multi-resolution loss; a = generated, b = target, masked_l1 takes frame counts:
//   NanoCodec mel   log_mel {n_fft, hop, win, n_mels, window hann_symmetric, norm none, power 1, eps 1e-5, offset 1,
//                   pad zero}; masked_l1 over floor(samples / hop) frames; mean over resolutions.
//   NanoCodec STFT  log_stft {n_fft, hop, win, window hann_symmetric, eps 1e-5, offset 1, pad reflect}; masked_l1 of
//                   `y` over floor(samples / hop) + 1 frames; mean over resolutions.
//   small recipe    log_mel {n_mels, power 1, eps 1e-5, offset 0.01, pad zero}: masked_l1; one log_stft {pad zero} for
//                   masked_l1 of `y` (weight 0.3) and spectral_convergence of `magnitude` (weight 0.5).
//   TitaNet input   log_mel {16000 Hz, 512, 160, 400, 80 mels, norm slaney, power 2, pre_emphasis 0.97,
//                   offset 2^-24, window hann_symmetric, pad zero}; floor(samples / hop) frames are valid.
#pragma once
#include "core/op.h"

namespace a2s {

double stft_flops(const Call& c);
void stft_axes(Axes& axes, const Call& c);
void stft_forward(Call& c);
void stft_backward(Call& c);
void log_stft_axes(Axes& axes, const Call& c);
void log_stft_forward(Call& c);
void log_stft_backward(Call& c);
void log_mel_axes(Axes& axes, const Call& c);
void log_mel_forward(Call& c);
void log_mel_backward(Call& c);
void masked_l1_forward(Call& c);
void masked_l1_backward(Call& c);
void spectral_convergence_forward(Call& c);
void spectral_convergence_backward(Call& c);

inline const Attr n_fft_attr = integer("n_fft", 1024, 4, 1 << 16, "transform size: even, factors 2, 3 and 5 only");
inline const Attr hop_attr = integer("hop", 256, 1, 1 << 16, "samples from one frame to the next");
inline const Attr win_attr = integer("win", 0, 0, 1 << 16, "window length, at most n_fft; 0 means n_fft");
inline const Attr window_attr = choice("window", {"hann", "hann_symmetric"}, "periodic or symmetric Hann window");
inline const Attr pad_attr = choice("pad", {"none", "zero", "reflect"}, "centre padding of n_fft/2 samples");

inline const Op stft{
    .name = "stft",
    .summary = "Short-time Fourier transform; real rows 0..F-1, imaginary rows F..2F-1.",
    .formula = "y[b,f,t] + i y[b,F+f,t] = g sum_n window[n] x[b, t hop - P + n] e^(-2 pi i f n / n_fft),  "
               "g = normalized ? n_fft^-1/2 : 1",
    .source = "torch.stft (onesided)",
    .inputs = {data("x", "B S", "waveforms"), fixed("window", "W", "W <= n_fft weights, centred in the frame"),
               maybe(ints("lengths", "B", "samples of each item"))},
    .outputs = {data("y", "B 2*F T", "spectra")},
    .attrs = {n_fft_attr, hop_attr, pad_attr, flag("normalized", false, "divide by sqrt(n_fft)")},
    .axes = stft_axes,
    .forward = stft_forward,
    .backward = stft_backward,
    .flops = stft_flops,
    .check = [](const Call& c) { check_ints(c, 2, 0, c.in[0].dim(-1)); },
};

inline const Op log_stft{
    .name = "log_stft",
    .summary = "Magnitudes of the short-time Fourier transform and their logarithms.",
    .formula = "magnitude = sqrt(re^2 + im^2 + eps);  y = log(magnitude + offset);  d magnitude = 0 where it is 0",
    .source = "Yamamoto, Song, Kim: Parallel WaveGAN, arXiv 1910.11480",
    .inputs = {data("x", "B S", "waveforms"), maybe(ints("lengths", "B", "samples of each item"))},
    .outputs = {data("y", "B F T", "log magnitudes"), data("magnitude", "B F T", "magnitudes")},
    .attrs = {n_fft_attr, hop_attr, win_attr, window_attr, pad_attr,
              real("eps", 1e-5, 0, 1, "added to the squared magnitude"),
              real("offset", 1, 1e-30, 1e3, "added before the logarithm")},
    .axes = log_stft_axes,
    .forward = log_stft_forward,
    .backward = log_stft_backward,
    .flops = stft_flops,
    .check = [](const Call& c) { check_ints(c, 1, 0, c.in[0].dim(-1)); },
};

inline const Op log_mel{
    .name = "log_mel",
    .summary = "Log mel spectrogram: triangular filters on the mel scale over magnitudes or powers.",
    .formula = "e[n] = x[n] - pre_emphasis x[n-1];  p[f] = (re^2 + im^2 + eps)^(power/2);  "
               "y[b,m,t] = log(sum_f filter[m,f] p[f] + offset);  d p = 0 where it is 0",
    .source = "Slaney: Auditory Toolbox, 1998; HTK Book 3.4, 5.4",
    .inputs = {data("x", "B S", "waveforms"), maybe(ints("lengths", "B", "samples of each item"))},
    .outputs = {data("y", "B M T", "log mel energies")},
    .attrs = {integer("sample_rate", 16000, 100, 1e6, "Hz"),
              n_fft_attr,
              hop_attr,
              win_attr,
              window_attr,
              pad_attr,
              integer("n_mels", 80, 1, 4096, "filters"),
              real("f_min", 0, 0, 1e6, "lower edge of the first filter, Hz"),
              real("f_max", 0, 0, 1e6, "upper edge of the last filter, Hz; 0 means sample_rate / 2"),
              choice("scale", {"slaney", "htk"}, "mel scale: linear to 1 kHz then logarithmic, or 2595 log10(1 + f/700)"),
              choice("norm", {"none", "slaney"}, "filters of height 1, or of area 1 over frequency in Hz"),
              integer("power", 1, 1, 2, "1: magnitudes, 2: powers"),
              real("eps", 0, 0, 1, "added to the squared magnitude"),
              real("offset", 0.01, 1e-30, 1e3, "added before the logarithm"),
              real("pre_emphasis", 0, 0, 1, "share of the previous sample to subtract; the first stays")},
    .axes = log_mel_axes,
    .forward = log_mel_forward,
    .backward = log_mel_backward,
    .flops = stft_flops,
    .check = [](const Call& c) { check_ints(c, 1, 0, c.in[0].dim(-1)); },
};

inline const Op masked_l1{
    .name = "masked_l1",
    .summary = "Mean absolute difference of two ragged [B, C, T] batches, each item weighted alike.",
    .formula = "loss = 1/B sum_b 1/max(len[b],1) sum_{t < len[b]} 1/C sum_c |a[b,c,t] - b[b,c,t]|;  d|0| = 0",
    .source = "Casanova et al.: Low Frame-rate Speech Codec, arXiv 2409.12117 (mel reconstruction loss)",
    .inputs = {data("a", "B C T", "predicted"), data("b", "B C T", "target"),
               maybe(ints("lengths", "B", "frames of each item"))},
    .outputs = {data("loss", "1", "loss")},
    .forward = masked_l1_forward,
    .backward = masked_l1_backward,
    .flops = [](const Call& c) { return 2.0 * c.in[0].size(); },
    .check = [](const Call& c) { check_ints(c, 2, 0, c.in[0].dim(-1)); },
};

inline const Op spectral_convergence{
    .name = "spectral_convergence",
    .summary = "Frobenius norm of the difference of two batches of spectra relative to that of the target.",
    .formula = "loss = |a - b| / max(|b|, floor), norms over all valid frames of the batch; gradient 0 at a = b",
    .source = "Arik, Jun, Diamos: Fast Spectrogram Inversion, arXiv 1808.06719; batch norms as in arXiv 1910.11480",
    .inputs = {data("a", "B C T", "predicted"), data("b", "B C T", "target"),
               maybe(ints("lengths", "B", "frames of each item"))},
    .outputs = {data("loss", "1", "loss")},
    .saved = {fixed("norms", "2", "|a - b|, |b|")},
    .attrs = {real("floor", 1e-8, 1e-30, 1, "least norm of the target to divide by")},
    .forward = spectral_convergence_forward,
    .backward = spectral_convergence_backward,
    .flops = [](const Call& c) { return 5.0 * c.in[0].size(); },
    .check = [](const Call& c) { check_ints(c, 2, 0, c.in[0].dim(-1)); },
};

}  // namespace a2s
