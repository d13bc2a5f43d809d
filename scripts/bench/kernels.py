"""The kernels suite in PyTorch: what a user who knows PyTorch well would call for each op of ../../native/ops.

A peer gets the inputs and attributes of a case and returns the call to be timed; what may be computed once for many calls
(masks, windows, index tables, filters) stands outside of it. Forward runs in inference mode, without what autograd keeps;
backward is timed by itself over a retained graph. Chains of elementwise steps are given to torch.compile (`@fused`).
"""

import itertools
import math
from types import SimpleNamespace

import torch
import torch._functorch.config
import torch.nn.functional as F
from peer import median_ms, serve

torch.manual_seed(0)
torch._functorch.config.donated_buffer = False  # a compiled graph may then be retained
torch._dynamo.config.recompile_limit = 64

PEERS, FUSED = {}, set()


def peer(make):
    PEERS[make.__name__] = make
    return make


def fused(make):
    FUSED.add(make.__name__)
    return peer(make)


class Values(SimpleNamespace):
    """Inputs or attributes by name; what a case leaves out is None."""

    def __getattr__(self, name):
        return None


def make_input(spec):
    shape = spec["shape"]
    if spec["kind"] == "ints":
        if "values" in spec:
            return torch.tensor([int(v) for v in spec["values"]]).reshape(shape)
        return torch.randint(int(spec["low"]), int(spec["high"]) + 1, shape)
    x = torch.empty(shape).uniform_(spec["low"], spec["high"]) if "low" in spec else torch.randn(shape)
    return x.requires_grad_(spec["kind"] in ("data", "param"))


def within(lengths, size):
    """[B, size] true below each length; None when all are full."""
    return None if lengths is None else torch.arange(size) < lengths[:, None]


# ---- products ---------------------------------------------------------------------------------------------------------


@peer
def gemm(i, a):
    copies = (36 << 20) // (a.K * a.N) if a.cold else 1
    dtype = torch.bfloat16 if a.bf16 else torch.float32
    w = [torch.full((a.K, a.N) if a.form[1] == "N" else (a.N, a.K), 0.01, dtype=dtype) for _ in range(copies)]
    x = torch.full((a.K, a.M) if a.form[0] == "T" else (a.M, a.K), 0.5, dtype=dtype)
    turn = itertools.cycle(range(copies))
    if a.form == "TN":
        return lambda: x.T @ w[0]
    if a.form == "NN":
        return lambda: x @ w[0]
    if a.packed and (not a.bf16 or torch.ops.mkldnn._is_mkldnn_bf16_supported()):
        # oneDNN's packed weights: faster here than MKL's, packed or not
        w = [torch.ops.mkldnn._reorder_linear_weight(m, a.M) for m in w]
        return lambda: torch.ops.mkldnn._linear_pointwise(x, w[next(turn)], None, "none", [], "")
    return lambda: F.linear(x, w[next(turn)])


def activate(a, y):
    return F.gelu(y, approximate="tanh") if a.act == "gelu" else y


@peer
def linear(i, a):
    return lambda: activate(a, F.linear(i.x, i.w, i.b))


@peer
def conv1d_btc(i, a):
    reach = (i.w.shape[2] - 1) * a.dilation
    pad = (reach, 0) if a.causal else (reach // 2, reach - reach // 2)
    return lambda: activate(a, F.conv1d(F.pad(i.x.mT, pad), i.w, i.b, dilation=a.dilation).mT)


@peer
def conv1d(i, a):
    if a.pad_mode == "zero" and a.pad_left == a.pad_right:
        return lambda: F.conv1d(i.x, i.w, i.b, a.stride, a.pad_left, a.dilation, a.groups)
    mode = "constant" if a.pad_mode == "zero" else a.pad_mode
    return lambda: F.conv1d(F.pad(i.x, (a.pad_left, a.pad_right), mode), i.w, i.b, a.stride, 0, a.dilation, a.groups)


@peer
def conv_transpose1d(i, a):
    return lambda: F.conv_transpose1d(i.x, i.w, i.b, a.stride, groups=a.groups)[..., a.trim_left : -a.trim_right or None]


@peer
def conv2d(i, a):
    stride, pad, dilation = (a.stride_h, a.stride_w), (a.pad_h, a.pad_w), (a.dilation_h, a.dilation_w)
    return lambda: F.conv2d(i.x, i.w, i.b, stride, pad, dilation)


@peer
def weight_norm(i, a):
    return lambda: torch._weight_norm(i.v, i.g[:, None], 0)


# ---- rows -------------------------------------------------------------------------------------------------------------


@peer
def layer_norm(i, a):
    return lambda: F.layer_norm(i.x, i.w.shape, i.w, None, a.eps)


@peer
def embedding(i, a):
    return lambda: F.embedding(i.ids, i.table)


@peer
def codebook_embedding(i, a):
    B, K, frames = i.codes.shape
    n = K * a.stack
    bags = i.codes.unflatten(2, (-1, a.stack)).permute(0, 2, 3, 1).reshape(-1, n) + torch.arange(n) * (i.table.shape[0] // n)
    return lambda: F.embedding_bag(bags, i.table, mode="mean").view(B, frames // a.stack, -1)


@peer
def add_positions(i, a):
    return lambda: i.x + i.table[a.offset : a.offset + i.x.shape[1]]


def gather_rows(x, index, valid):
    """Rows of x [B, T, C] by their place in the flattened batch, zero where not valid."""
    return torch.index_select(x.flatten(0, 1), 0, index.flatten()).view(*index.shape, -1) * valid[..., None]


@peer
def concat_time(i, a):
    (B, Ta, _), Tb = i.a.shape, i.b.shape[1]
    t, la, lb = torch.arange(Ta + Tb), i.a_lengths[:, None], i.b_lengths[:, None]
    index = torch.where(t < la, t, (Ta + t - la).clamp(max=Ta + Tb - 1)) + torch.arange(B)[:, None] * (Ta + Tb)
    valid = (t < la + lb).float()
    return lambda: gather_rows(torch.cat([i.a, i.b], 1), index, valid)


@peer
def slice_time(i, a):
    B, T, _ = i.x.shape
    t = torch.arange(a.frames)
    index = (i.start[:, None] + t).clamp(max=T - 1) + torch.arange(B)[:, None] * T
    valid = (t < i.lengths[:, None]).float()
    return lambda: gather_rows(i.x, index, valid)


@peer
def transpose(i, a):
    return lambda: i.x.mT.contiguous()


# ---- element by element -----------------------------------------------------------------------------------------------


@peer
def add(i, a):
    return lambda: i.a + i.b


@peer
def scale(i, a):
    return lambda: i.x * a.factor


@peer
def gelu(i, a):
    return lambda: F.gelu(i.x, approximate="tanh")


@peer
def tanh(i, a):
    return lambda: torch.tanh(i.x)


@peer
def clamp(i, a):
    return lambda: i.x.clamp(a.low, a.high)


@peer
def dropout(i, a):
    return lambda: F.dropout(i.x, a.p)


@peer
def mask_rows(i, a):
    keep = within(i.lengths, i.x.shape[1]).float()[..., None]
    return lambda: i.x * keep


@peer
def mask_time(i, a):
    keep = within(i.lengths, i.x.shape[2]).float()[:, None]
    return lambda: i.x * keep


@peer
def leaky_relu(i, a):
    return lambda: F.leaky_relu(i.x, a.slope)


@fused
def half_snake(i, a):
    def run(x, alpha):
        snake, leaky = x[:, : len(alpha)], x[:, len(alpha) :]
        alpha = alpha[:, None]
        return torch.cat([snake + torch.sin(alpha * snake) ** 2 / (alpha + 1e-9), F.leaky_relu(leaky, a.slope)], 1)

    return run, (i.x, i.alpha)


@fused
def fsq_encode(i, a):
    levels = i.levels.float()[:, None]
    shape = levels - 1
    scale, offset = shape / 2 * (1 - 1e-3), torch.where(levels % 2 == 0, 0.5, 0.0)
    shift, half = torch.tan(offset / scale), torch.floor(levels / 2)
    bases = torch.cumprod(torch.cat([torch.ones(1, 1), levels[:-1]]), 0)

    def run(latent):
        z = latent.unflatten(1, (-1, len(levels)))
        x = scale * torch.tanh(z + shift) - offset
        k = x + (torch.round(x) - x).detach()
        return (k / half).flatten(1, 2), ((k + half) * bases).sum(2).int()

    return run, (i.latent,)


@fused
def fsq_decode(i, a):
    levels = i.levels[:, None]
    bases, half = torch.cumprod(torch.cat([torch.ones(1, 1, dtype=torch.long), levels[:-1]]), 0), levels // 2

    def run(codes):
        return (((codes[:, :, None] // bases) % levels - half) / half).flatten(1, 2)

    return run, (i.codes,)


# ---- attention --------------------------------------------------------------------------------------------------------


def split_heads(x, heads):
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


@peer
def self_attention(i, a):
    def run():
        q, k, v = (split_heads(x, a.heads) for x in i.qkv.chunk(3, -1))
        return F.scaled_dot_product_attention(q, k, v, is_causal=a.causal, dropout_p=a.dropout).transpose(1, 2).flatten(2)

    return run


@peer
def cross_attention(i, a):
    def run():
        q, (k, v) = split_heads(i.q, a.heads), (split_heads(x, a.heads) for x in i.kv.chunk(2, -1))
        bias = None if i.prior is None else torch.log(i.prior + a.prior_eps)[:, None]
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias).transpose(1, 2).flatten(2)

    return run


@peer
def attention_probs(i, a):
    def run():
        q, k = split_heads(i.q, a.heads), split_heads(i.kv.chunk(2, -1)[0], a.heads)
        return torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]), -1)

    return run


@peer
def attention_scores(i, a):
    factor = 1 / (a.heads * math.sqrt(i.q.shape[-1] / a.heads))
    zero = torch.zeros(())
    return lambda: torch.baddbmm(zero, i.q, i.kv.chunk(2, -1)[0].mT, beta=0, alpha=factor)


@peer
def decode_attention(i, a):
    # A cache for scaled_dot_product_attention holds a copy of the prefix for each sample.
    keys, values, valid = i.k, i.v, within(i.used, i.k.shape[2])
    if i.prefix_k is not None:
        keys, values = (torch.cat((prefix[i.prefix_of], own), 2) for prefix, own in ((i.prefix_k, keys), (i.prefix_v, values)))
        valid = torch.cat((within(i.prefix_used, i.prefix_k.shape[2])[i.prefix_of], valid), 1)
    longest = int(valid.any(0).nonzero().max()) + 1
    mask = valid[:, None, None, :longest]

    def run():
        k, v = keys[:, :, :longest], values[:, :, :longest]
        return F.scaled_dot_product_attention(i.q[:, :, None], k, v, attn_mask=mask)[:, :, 0]

    return run


# ---- tokens -----------------------------------------------------------------------------------------------------------


def keep_top_k(z, k):
    return z.masked_fill(z < torch.topk(z, k).values[..., -1:], -math.inf)


@peer
def token_logprobs(i, a):
    """Plain: what supervised training needs, the cross-entropy alone. With top-k: log-probabilities and entropies."""
    B, K, T = i.targets.shape
    valid = within(i.lengths, T)[:, None]
    targets = i.targets.transpose(1, 2).flatten()

    def supervised():
        z = F.linear(i.x, i.w, i.b).view(B * T * K, -1)
        return -F.cross_entropy(z, targets, reduction="none").view(B, T, K).transpose(1, 2) * valid

    def truncated():
        z = F.linear(i.x, i.w, i.b).view(B * T * K, -1) / a.temperature
        lp = torch.log_softmax(keep_top_k(z, a.top_k), -1)
        entropy = -torch.where(lp > -math.inf, lp.exp() * lp, 0).sum(-1)
        return [y.view(B, T, K).transpose(1, 2) * valid for y in (lp.gather(1, targets[:, None]), entropy)]

    return truncated if a.top_k else supervised


@peer
def token_kl(i, a):
    B, T, _ = i.x.shape
    valid = within(i.lengths, T)[:, None]

    def run():
        lp = torch.log_softmax(F.linear(i.x, i.w, i.b).view(B, T, a.codebooks, -1) / a.temperature, -1)
        lq = torch.log_softmax(F.linear(i.x_ref, i.w_ref, i.b_ref).view(B, T, a.codebooks, -1) / a.temperature, -1)
        return F.kl_div(lq, lp, reduction="none", log_target=True).sum(-1).transpose(1, 2) * valid

    return run


@fused
def codebook_cross_entropy(i, a):
    valid = within(i.lengths, i.logprobs.shape[2])[:, None].float()
    return lambda logprobs: (-(logprobs * valid).sum((0, 2)) / valid.sum((0, 2))).mean(), (i.logprobs,)


@fused
def sequence_logprob(i, a):
    valid = within(i.lengths, i.logprobs.shape[2])[:, None].float()
    return lambda logprobs: (logprobs * valid).sum((1, 2)), (i.logprobs,)


@peer
def sample_tokens(i, a):
    """Inverse transform sampling: one uniform number a row, as cheap as drawing can be in PyTorch."""
    R = len(i.logits)

    def draw(lp):
        p = lp.exp()
        at = torch.searchsorted(p.cumsum(-1), torch.rand(R, 1)).clamp(max=lp.shape[1] - 1)
        return at, lp.gather(1, at), -(p * lp).sum(-1)

    def everything():
        return draw(torch.log_softmax(i.logits / a.temperature, -1))

    def top_k():
        z, ids = torch.topk(i.logits / a.temperature, a.top_k)
        at, lp, entropy = draw(torch.log_softmax(z, -1))
        return ids.gather(1, at), lp, entropy

    def top_p():
        p, ids = torch.sort(torch.softmax(i.logits / a.temperature, -1), descending=True)
        p = torch.where(p.cumsum(-1) - p < a.top_p, p, 0)
        p = p / p.sum(-1, keepdim=True)
        at = torch.searchsorted(p.cumsum(-1), torch.rand(R, 1)).clamp(max=p.shape[1] - 1)
        return ids.gather(1, at), p.gather(1, at).log(), torch.special.entr(p).sum(-1)

    return top_k if a.top_k else top_p if a.top_p < 1 else everything


# ---- alignment --------------------------------------------------------------------------------------------------------


@peer
def ctc_loss(i, a):
    def run():
        lp = torch.log_softmax(i.logits, -1).transpose(0, 1)
        return F.ctc_loss(lp, i.targets, i.input_lengths, i.target_lengths, a.blank, zero_infinity=a.zero_infinity)

    return run


@peer
def forward_sum_loss(i, a):
    B, T, N = i.scores.shape
    beyond = ~within(i.target_lengths, N)[:, None]
    targets = torch.arange(1, N + 1).expand(B, N)

    def run():
        z = F.pad(i.scores.masked_fill(beyond, -math.inf), (1, 0), value=a.blank_score)
        lp = torch.log_softmax(z, -1).transpose(0, 1)
        return F.ctc_loss(lp, targets, i.input_lengths, i.target_lengths, zero_infinity=True)

    return run


@fused
def beta_binomial_prior(i, a):
    y, x = torch.arange(1, a.max_frames + 1.0)[:, None], torch.arange(a.max_text * 1.0)

    def run(frames, text_lengths):
        m, n = frames[:, None, None], text_lengths[:, None, None] - 1
        alpha, beta = a.scaling * y, (a.scaling * (m + 1 - y)).clamp(min=1e-3)
        rest = (n - x).clamp(min=0)
        log_p = torch.lgamma(n + 1.0) - torch.lgamma(x + 1) - torch.lgamma(rest + 1)
        log_p = log_p + torch.lgamma(x + alpha) + torch.lgamma(rest + beta) - torch.lgamma(n + alpha + beta)
        log_p = log_p + torch.lgamma(alpha + beta) - torch.lgamma(alpha) - torch.lgamma(beta)
        p = log_p.exp()
        return torch.where((y <= m) & (x <= n), p + (1 - p) * a.blend, 0)

    return run, (i.frames, i.text_lengths)


# ---- losses of alignment with rewards -----------------------------------------------------------------------------------


@fused
def group_advantages(i, a):
    def run(rewards):
        centred = rewards - rewards.mean(1, keepdim=True)
        std = centred.square().mean(1, keepdim=True).sqrt()
        valid = std > a.min_std
        scaled = centred / std.clamp(min=a.std_floor) if a.scale == "std" else centred
        return torch.where(valid, scaled, 0), valid

    return run, (i.rewards,)


@fused
def policy_loss(i, a):
    """The GRPO loss with clipping and k3, and the figures that ours reports with it."""
    B, K, T = i.logprobs.shape
    low, high = 1 - a.clip_low, 1 + a.clip_high
    mask = within(i.lengths, T)[:, None].float()
    weight = mask / (K * B * mask.sum(2, keepdim=True))
    tokens = mask.sum() * K

    def run(logprobs, advantages, old, ref):
        adv, gap = advantages[:, None, None], logprobs - old
        r = gap.exp()
        clipped = r.clamp(low, high)
        kl = (ref - logprobs).exp() - (ref - logprobs) - 1
        loss = ((-torch.minimum(r * adv, clipped * adv) + a.kl_weight * kl) * weight).sum()
        with torch.no_grad():
            parts = [r * mask, (r < low) * (adv < 0) * mask, (r > high) * (adv > 0) * mask, kl * mask]
            stats = [p.sum() / tokens for p in parts] + [(gap.abs() * mask).amax()]
        return loss, *stats

    return run, (i.logprobs, i.advantages, i.old_logprobs, i.ref_logprobs)


@fused
def preference_loss(i, a):
    def run(chosen, rejected, ref_chosen, ref_rejected):
        margins = a.beta * ((chosen - rejected) - (ref_chosen - ref_rejected))
        loss = -(1 - a.label_smoothing) * F.logsigmoid(margins) - a.label_smoothing * F.logsigmoid(-margins)
        return (loss - a.sft_weight * chosen).mean(), margins.detach()

    return run, (i.chosen, i.rejected, i.ref_chosen, i.ref_rejected)


# ---- signals ----------------------------------------------------------------------------------------------------------


def spectrum(x, a, window):
    mode = {"none": "constant", "zero": "constant", "reflect": "reflect"}[a.pad]
    return torch.stft(x, a.n_fft, a.hop, len(window), window, a.pad != "none", mode, bool(a.normalized), return_complex=True)


def hann(a):
    return torch.hann_window(a.win or a.n_fft, periodic=a.window == "hann")


@peer
def stft(i, a):
    window = i.window

    def run():
        y = spectrum(i.x, a, window)
        return torch.cat([y.real, y.imag], 1)

    return run


@peer
def log_stft(i, a):
    window = hann(a)

    def run():
        y = spectrum(i.x, a, window)
        magnitude = torch.sqrt(y.real.square() + y.imag.square() + a.eps)
        return torch.log(magnitude + a.offset), magnitude

    return run


@peer
def log_mel(i, a):
    window = hann(a)
    # Any filters of this shape cost the same in a dense product, which is how PyTorch users apply them.
    filters = torch.rand(a.n_mels, a.n_fft // 2 + 1)

    def run():
        y = spectrum(i.x, a, window)
        power = y.real.square() + y.imag.square() + a.eps
        return torch.log(filters @ (power if a.power == 2 else power.sqrt()) + a.offset)

    return run


@fused
def masked_l1(i, a):
    valid = within(i.lengths, i.a.shape[2])[:, None].float()
    return lambda x, y: (((x - y).abs() * valid).mean(1).sum(1) / valid.sum((1, 2))).mean(), (i.a, i.b)


@fused
def squared_error(i, a):
    valid = within(i.lengths, i.a.shape[1]).float() if i.lengths is not None else torch.ones(i.a.shape)
    return lambda x, y: ((x - y).square() * valid).sum() / valid.sum(), (i.a, i.b)


@fused
def spectral_convergence(i, a):
    valid = within(i.lengths, i.a.shape[2])[:, None].float()
    return lambda x, y: torch.linalg.norm((x - y) * valid) / torch.linalg.norm(y * valid).clamp(min=a.floor), (i.a, i.b)


@peer
def resample(i, a):
    """A bank of `to` filters moved by `from` samples, as torchaudio does it."""
    g = math.gcd(a.to, getattr(a, "from"))
    orig, new = getattr(a, "from") // g, a.to // g
    cut = min(orig, new) * a.rolloff
    width = math.ceil(a.zeros * orig / cut)
    t = (torch.arange(0, -new, -1)[:, None, None] / new + torch.arange(-width, width + orig) / orig) * cut
    t = t.clamp(-a.zeros, a.zeros)
    window = torch.i0(a.beta * torch.sqrt(1 - (t / a.zeros) ** 2)) / torch.i0(torch.tensor(a.beta))
    bank = torch.sinc(t) * window * cut / orig
    size = math.ceil(new * i.x.shape[1] / orig)

    def run():
        return F.conv1d(F.pad(i.x[:, None], (width, width + orig)), bank, stride=orig).mT.flatten(1)[:, :size]

    return run


# ---- optimizer --------------------------------------------------------------------------------------------------------


@peer
def adamw(i, a):
    param = torch.nn.Parameter(i.params)
    param.grad = i.grads
    return torch.optim.AdamW([param], a.lr, (a.beta1, a.beta2), a.eps, a.weight_decay, fused=True).step


@peer
def grad_norm(i, a):
    def run():
        norm = torch.nn.utils.get_total_norm([i.grads])
        return norm, torch.isfinite(norm)

    return run


# ---- requests ---------------------------------------------------------------------------------------------------------


class Case:
    def __init__(self, request):
        self.key = request["op"], request["name"]
        self.inputs = Values(**{k: make_input(v) for k, v in request["inputs"].items()})
        call = PEERS[request["op"]](self.inputs, Values(**request["attrs"]))
        if request["op"] in FUSED:
            run, arguments = call
            compiled = torch.compile(run, dynamic=False)
            self.call = lambda: compiled(*arguments)
        else:
            self.call = call
        self.graph = None

    def forward(self):
        with torch.inference_mode(self.key[0] != "adamw"):
            self.call()

    def backward(self):
        if self.graph is None:
            out = self.call()
            outs = [y for y in (out if isinstance(out, (list, tuple)) else [out]) if y.requires_grad]
            wrt = [x for x in vars(self.inputs).values() if x is not None and x.requires_grad]
            self.graph = outs, wrt, [torch.randn_like(y) for y in outs]
        torch.autograd.grad(*self.graph, retain_graph=True)


case = None


def answer(request):
    global case
    if request["op"] not in PEERS:
        return {"ms": None}
    if case is None or case.key != (request["op"], request["name"]):
        case = None  # its memory first
        case = Case(request)
    run = getattr(case, request["pass"])
    run()  # the first call is not counted
    return {"ms": median_ms(run, request["ms"]), "how": "compiled" if request["op"] in FUSED else "eager"}


serve(answer)
