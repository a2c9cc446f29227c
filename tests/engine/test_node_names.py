"""The names of nodes, ``y.grad_fn.name()``: those of PyTorch, of ops and of what is composed of ops here."""

import pytest
from answers import noted

import minigrad.torch
from minigrad import engine


def names(torch):
    """The name of the node of each function's result."""
    F, S, R = torch.nn.functional, torch.special, torch.nn.utils.rnn
    a, p = torch.arange(12.0).reshape(3, 4).requires_grad_(), ((torch.arange(12.0).reshape(3, 4) + 1) / 13).requires_grad_()
    sq = (torch.arange(9.0).reshape(3, 3) / 9 + 2 * torch.eye(3)).requires_grad_()
    v, b3, im, vol, seq = [torch.ones(s, requires_grad=True) for s in [(4,), (2, 3, 4), (1, 3, 8, 8), (1, 2, 4, 4, 4), (5, 2, 3)]]
    i, c = torch.tensor([0, 1, 2]), a.detach()

    def inpl(write):
        y = a * 1
        write(y)
        return y

    results = [
        a.unsqueeze(0), a[None].squeeze(), a[None].squeeze(0), a.t(), a.T, a.transpose(0,1), b3.permute(2,0,1), b3.mT,
        a.repeat(2,1), a.tile(2), a.repeat_interleave(2,0), b3.flatten(1), a.unflatten(1,(2,2)), a.view(-1), a.reshape(-1),
        v.expand(3,4), a.chunk(2,1)[0], a.split(2,1)[0], a.unbind(0)[0], torch.cat([a,a]), torch.stack([a,a]), a.narrow(1,0,2),
        a.select(0,1), a.roll(1,0), a.flip(0), torch.rot90(a), a.tril(), a.triu(), torch.diag(v), a.diagonal(),
        torch.diag_embed(a), b3.movedim(0,2), a.unfold(1,2,1), F.interpolate(im,scale_factor=2),
        F.interpolate(im,scale_factor=2,mode="bilinear"), F.interpolate(im,scale_factor=2,mode="bicubic"),
        F.interpolate(b3,scale_factor=2,mode="linear"), F.interpolate(b3,scale_factor=2), F.interpolate(im,size=4,mode="area"),
        F.interpolate(im[None],scale_factor=2,mode="trilinear"), F.interpolate(im,scale_factor=2,mode="nearest-exact"),
        F.pad(im,(1,1,1,1),mode="reflect"), F.pad(b3,(1,1),mode="reflect"), F.pad(im,(1,1,1,1),mode="replicate"),
        F.pad(b3,(1,1),mode="replicate"), torch.nn.RNN(3,4)(seq)[0], torch.nn.RNN(3,4)(seq)[1], torch.nn.LSTM(3,4)(seq)[0],
        torch.nn.LSTM(3,4)(seq)[1][0], torch.nn.LSTM(3,4)(seq)[1][1], torch.nn.GRU(3,4)(seq)[0], torch.nn.GRU(3,4)(seq)[1],
        torch.nn.GRU(3,4,batch_first=True)(seq)[0], torch.nn.RNNCell(3,4)(seq[0]), torch.nn.GRUCell(3,4)(seq[0]),
        torch.nn.LSTMCell(3,4)(seq[0])[0], torch.nn.MultiheadAttention(4,2)(b3,b3,b3)[0],
        torch.nn.MultiheadAttention(4,2)(b3,b3,b3)[1], torch.nn.MultiheadAttention(4,2)(b3,b3,b3,need_weights=False)[0],
        F.scaled_dot_product_attention(b3[None],b3[None],b3[None]), torch.nn.TransformerEncoderLayer(4,2,8,0.)(b3),
        torch.nn.Embedding(5,3)(i), torch.nn.EmbeddingBag(5,3)(i,torch.tensor([0,2])), F.avg_pool2d(im,2), F.avg_pool1d(b3,2),
        F.max_pool1d(b3,2), F.max_pool2d(im,2), F.adaptive_avg_pool2d(im,1), F.adaptive_avg_pool2d(im,3),
        F.adaptive_max_pool2d(im,2), F.max_pool3d(im,2), F.avg_pool3d(im,2), F.lp_pool2d(im,2,2), torch.bmm(b3,b3.mT),
        torch.einsum("ij,kj->ik",a,a), b3@b3.mT, torch.addmm(a[:,:3],a,a.t()), torch.outer(v,v), v.dot(v), a.mv(v),
        torch.baddbmm(b3@b3.mT,b3,b3.mT), torch.kron(v,v), torch.tensordot(a,a,dims=([1],[1])), a.softmax(1), F.softmin(a,1),
        a.relu(), F.relu6(a), F.leaky_relu(a), F.elu(a), F.selu(a), F.celu(a), F.hardtanh(a), F.hardswish(a), F.hardsigmoid(a),
        F.mish(a), F.softplus(a), F.tanhshrink(a), F.softshrink(a), F.hardshrink(a), F.threshold(a,1,0), F.rrelu(a),
        F.normalize(a), F.cosine_similarity(a,a+1), F.pdist(a), F.pairwise_distance(a,a+1), F.instance_norm(b3),
        F.local_response_norm(b3,2), F.rms_norm(a,(4,)), F.gumbel_softmax(a),
        F.fold(torch.ones(1,12,9,requires_grad=True),(4,4),(2,2)), F.unfold(im,2), F.bilinear(a,a,torch.ones(2,4,4)), a.var(),
        a.var(1), a.std(), a.prod(), a.prod(1), a.cumsum(1), a.cumprod(1), a.logsumexp(1), a.norm(dim=1), a.nansum(),
        a.cummax(1)[0], torch.aminmax(a)[0], a.logcumsumexp(1), a.quantile(0.5), a[:,:3].trace(), a.renorm(2,0,1.),
        torch.dist(a,a+1), torch.var_mean(a)[0], torch.where(a>1,a,0.), torch.maximum(a,a+1), torch.minimum(a,a+1), a+1, -a,
        a.abs(), (a+1).sqrt(), (a+1).rsqrt(), 2**a, a**a, (a+1).reciprocal(), a%2, a.fmod(2), a.round(), a.sign(),
        torch.lerp(a,a+1,0.5), torch.addcmul(a,a,a), torch.addcdiv(a,a,a+1), a.clamp(min=0), a.clamp(a,a), a.clone(),
        a.t().contiguous(), a.double(), a.log1p(), torch.atan2(a,a+1), torch.hypot(a,a+1), torch.xlogy(a,a+1), a.erf(),
        a.nan_to_num(), torch.logaddexp(a,a), torch.copysign(a,a), 1-a, a-a, a.trunc(), a.frac(), a.sigmoid(), a.tanh(),
        a.scatter(1,i[:,None],1.), a.scatter_add(1,i[:,None],torch.ones(3,1)), a.index_add(0,i,torch.ones(3,4)),
        a.index_fill(0,i,0.), a.index_copy(0,i,torch.ones(3,4)), a.masked_select(a>1), a.take(i), a.take_along_dim(i[:,None],1),
        a.masked_scatter(a>1,torch.ones(12)), a.index_put((i,),torch.zeros(4)), torch.linalg.svd(a)[1], torch.linalg.svdvals(a),
        torch.linalg.qr(a)[0], torch.linalg.eigh(a@a.t())[0], torch.linalg.cholesky(a@a.t()+10*torch.eye(3)),
        torch.linalg.solve(a@a.t()+10*torch.eye(3),a), torch.linalg.slogdet(a@a.t()+torch.eye(3))[1],
        torch.logdet(a@a.t()+torch.eye(3)), torch.linalg.matrix_exp(a@a.t()/1000), torch.linalg.matrix_power(a@a.t(),2),
        torch.linalg.matrix_power(a@a.t(),3), torch.linalg.pinv(a), torch.linalg.cross(a[:,:3],a[:,1:]),
        torch.linalg.vector_norm(a), torch.linalg.matrix_norm(a), torch.linalg.lu(a[:,:3]+torch.eye(3))[1],
        torch.linalg.solve_triangular(torch.eye(3),a,upper=True), F.triplet_margin_loss(a,a+1,a+2),
        F.cosine_embedding_loss(a,a+1,torch.ones(3)), F.margin_ranking_loss(v,v+1,v), F.hinge_embedding_loss(a,torch.ones(3,4)),
        F.poisson_nll_loss(a,a.detach()), F.gaussian_nll_loss(a,a.detach(),torch.ones(3,4)),
        F.multilabel_soft_margin_loss(a,torch.ones(3,4)), F.cross_entropy(a,i,label_smoothing=.1),
        F.cross_entropy(a,a.detach().softmax(1)), F.nll_loss(im.log_softmax(1),torch.zeros(1,8,8).long()),
        F.cross_entropy(a,i,weight=torch.ones(4)), F.kl_div(a,a.detach(),reduction="batchmean"), F.conv1d(b3,torch.ones(2,3,2)),
        F.conv2d(im,torch.ones(2,3,3,3),padding="same"), F.channel_shuffle(torch.ones(1,4,2,2,requires_grad=True),2),
        F.pixel_unshuffle(im,2), F.affine_grid(torch.ones(1,2,3,requires_grad=True),(1,1,2,2)), F.dropout2d(im),
        F.alpha_dropout(a), torch.complex(v,v), torch.polar(v,v), torch.fft.rfft(v), torch.fft.fft(v),
        torch.fft.fft(torch.complex(v,v)), torch.fft.irfft(torch.complex(v,v)), torch.fft.ifft(torch.complex(v,v)),
        torch.fft.fft2(a), torch.fft.rfft2(a), torch.fft.fftshift(v), torch.fft.ihfft(v), torch.fft.hfft(torch.complex(v,v)),
        torch.complex(v,v).abs(), torch.complex(v,v).angle(), torch.complex(v,v).conj(), torch.complex(v,v)*torch.complex(v,v),
        torch.complex(v,v)/torch.complex(v,v), torch.complex(v,v).exp(), torch.complex(v,v).log(), torch.complex(v,v)**2,
        torch.complex(v,v).sum(), torch.complex(a,a)@torch.complex(a,a).t(), torch.complex(v,v).real, torch.complex(v,v)+1j,
        torch.complex(v,v)-1j, torch.complex(v,v).reciprocal(), torch.complex(v,v).sqrt(), torch.complex(v,v).sin(),
        torch.complex(v,v).tanh(), torch.complex(v,v).sigmoid(), -torch.complex(v,v), torch.complex(v,v).mean(),
        torch.complex(v,v).prod(), torch.complex(v,v).norm(), torch.complex(a,a).view(-1), torch.complex(a,a)[0],
        torch.cat([torch.complex(a,a)]*2), torch.complex(v,v)*2, torch.complex(a,a).mH,
        torch.stft(torch.ones(64,requires_grad=True),16,window=torch.ones(16),return_complex=True), p.lgamma(), p.digamma(),
        torch.polygamma(1,p), torch.mvlgamma(p+3,2), p.erfc(), (p/2).erfinv(), torch.special.expit(p), p.logit(), torch.i0(p),
        S.i0e(p), S.i1(p), S.i1e(p), S.entr(p), S.ndtri(p), S.log_ndtr(p), S.erfcx(p), S.xlog1py(p,p), torch.sinc(p),
        S.zeta(torch.tensor(2.),p+1), p.expm1(), p.exp2(), p.log2(), p.log10(), p.sinh(), p.asin(), p.acos(), p.atan(), p.asinh(),
        (p+1).acosh(), (p/2).atanh(), p.tan(), p.cosh(), p.square(), p**3, p**0.5, p.deg2rad(), p.rad2deg(),
        torch.ldexp(p,i[:,None]), p.float_power(2), torch.heaviside(c,c), torch.fmax(p,a), torch.fmin(p,a), torch.logaddexp2(p,a),
        a.clamp(1,2), a.clamp_min(1), a.clip(1), torch.hypot(a,a), a/(a+1), a/2, 1/(a+1), a*2, a*c, a+c, a-1, c-a, a**c, c**a,
        a**2, abs(-a), a.abs().max(), a.min(), a.max(1)[0], a.amax(1), a.amax(), a.median(), a.nanmedian(), a.median(1)[0],
        a.mode(1)[0], a.sort()[0], a.topk(2)[0], a.kthvalue(2)[0], a.msort(), a.cummin(0)[0], a.diff(), torch.trapezoid(a),
        torch.cov(a), torch.corrcoef(a), a.nanmean(), torch.std_mean(a)[1], torch.var_mean(a)[1], torch.aminmax(a)[1], a.std(1),
        a.sum(dtype=torch.float64), a.nanquantile(.5), a.norm(), a.norm(1), torch.linalg.norm(a), torch.cumulative_trapezoid(a),
        a.mean(0), a.mean((0,1)), a.sum((0,1)), a.sum(0,keepdim=True), a.unsqueeze(-1).squeeze(-1), a[None,None].squeeze((0,1)),
        torch.hstack([a,a]), torch.vstack([a,a]), torch.dstack([a,a]), torch.column_stack([v,v]), torch.atleast_3d(a),
        torch.hsplit(a,2)[0], torch.tensor_split(a,2)[0], a.swapaxes(0,1), b3.moveaxis(0,1), a.ravel(), a.t().ravel(), a.fliplr(),
        torch.block_diag(a,a), torch.cartesian_prod(v,v), torch.meshgrid(v,v,indexing="ij")[0], torch.broadcast_to(v,(3,4)),
        v.expand_as(a), a.view_as(c), a.unfold(0,2,1), torch.as_strided(a,(2,2),(1,1)), torch.diag(a), torch.diagflat(v),
        torch.diagonal_scatter(a,torch.ones(3)), torch.select_scatter(a,torch.ones(4),0,0),
        torch.slice_scatter(a,torch.ones(1,4),0,0,1), a.split([1,3],1)[0], torch.rot90(a,2), torch.combinations(v),
        torch.adjoint(a), a[a>2], a[0], a[[0,1]], a[None], a[...,0], a[1:], a[:], a[i], a[0,1], a[:,i], a[:, 1:3], a[-1],
        a[...,None], a[::2], a.gather(1,i[:,None]), a.scatter_reduce(1,i[:,None],torch.ones(3,1),"sum"),
        a.index_reduce(0,i,torch.ones(3,4),"mean"), a.put(i,torch.ones(3)), a.scatter(1,i[:,None],torch.ones(3,1)),
        a.masked_fill(a>1,0.), a.where(a>1,c), a.index_put((i,),torch.zeros(4),accumulate=True), inpl(lambda y:y.add_(1)),
        inpl(lambda y:y.mul_(2)), inpl(lambda y:y.__setitem__(0,1.)), inpl(lambda y:y.zero_()), inpl(lambda y:y.relu_()),
        inpl(lambda y:y.clamp_(0,1)), inpl(lambda y:y.fill_(1)), inpl(lambda y:y.copy_(c)), inpl(lambda y:y.sub_(c)),
        inpl(lambda y:y.exp_()), inpl(lambda y:y.masked_fill_(a>1,0)), inpl(lambda y:y.scatter_(1,i[:,None],1.)),
        inpl(lambda y:y.index_add_(0,i,torch.ones(3,4))), torch.mm(sq,sq), b3@torch.ones(4,5), a@v, v@v,
        torch.addmv(torch.ones(3),a,v), torch.addr(torch.ones(4,4),v,v), torch.addbmm(torch.ones(3,3),b3,b3.mT), torch.inner(a,a),
        torch.vdot(v,v), torch.linalg.multi_dot([sq,sq,sq]), torch.chain_matmul(sq,sq), torch.einsum("bij,bkj->bik",b3,b3),
        torch.einsum("i,i->",v,v), torch.einsum("ii->",sq), torch.einsum("ij->ji",a), F.linear(a,torch.ones(2,4)),
        F.linear(b3,torch.ones(2,4)), F.bilinear(a,a,torch.ones(2,4,4),torch.ones(2)), torch.linalg.vecdot(a,a),
        torch.linalg.matrix_power(sq,-1), F.avg_pool3d(vol,2), F.adaptive_avg_pool3d(vol,2), F.adaptive_avg_pool3d(vol,1),
        F.adaptive_avg_pool1d(b3,2), F.adaptive_avg_pool1d(b3,1), F.adaptive_max_pool1d(b3,2), F.adaptive_max_pool3d(vol,2),
        F.max_pool1d(b3,2,return_indices=True)[0], F.max_pool2d(im[0],2), F.avg_pool2d(im[0],2), F.adaptive_avg_pool2d(im[0],1),
        F.max_pool3d(vol,2), F.lp_pool1d(b3,2,2), F.max_unpool2d(*F.max_pool2d(im,2,return_indices=True),2),
        F.fractional_max_pool2d(im,2,output_size=3), F.interpolate(vol,scale_factor=2),
        F.interpolate(b3,scale_factor=2,mode="nearest-exact"), F.interpolate(vol,scale_factor=2,mode="nearest-exact"),
        F.interpolate(im,size=4,mode="bilinear",antialias=True), F.interpolate(im,size=4,mode="bicubic",antialias=True),
        F.interpolate(b3,size=2,mode="area"), F.interpolate(vol,size=2,mode="area"), F.grid_sample(vol,torch.zeros(1,2,2,2,3)),
        F.affine_grid(torch.ones(1,3,4,requires_grad=True),(1,1,2,2,2)), F.pad(vol,(1,)*6,mode="reflect"),
        F.pad(vol,(1,)*6,mode="replicate"), F.pad(im,(1,1)), F.pad(im,(0,0)), F.pad(im,(-1,-1)),
        F.conv1d(b3,torch.ones(2,3,2),torch.ones(2)), F.conv3d(vol,torch.ones(2,2,2,2,2)),
        F.conv_transpose2d(im,torch.ones(3,2,2,2)), F.conv2d(im[0],torch.ones(2,3,3,3)), torch.nn.BatchNorm1d(4)(a),
        torch.nn.BatchNorm2d(3)(im), torch.nn.BatchNorm2d(3).eval()(im), torch.nn.InstanceNorm2d(3)(im), F.group_norm(im,3),
        F.layer_norm(a,(4,)), torch.nn.RMSNorm(4)(a), F.local_response_norm(im,2), F.normalize(a,dim=0),
        torch.nn.utils.parametrizations.spectral_norm(torch.nn.Linear(4,2))(a),
        torch.nn.utils.parametrizations.orthogonal(torch.nn.Linear(4,4)).weight, F.gelu(a), F.silu(a), F.glu(a), F.logsigmoid(a),
        F.softsign(a), torch.nn.PReLU()(a), F.log_softmax(a,1), F.gumbel_softmax(a,hard=True), F.rrelu(a,training=True),
        F.dropout(a), F.dropout(a*1,training=False), F.dropout1d(b3), F.feature_alpha_dropout(im),
        F.softmax(a,dim=0,dtype=torch.float64), torch.nn.Softmax2d()(im), F.l1_loss(a,c+1), F.mse_loss(a,c+1),
        F.mse_loss(a,c+1,reduction="none"), F.smooth_l1_loss(a,c+1), F.huber_loss(a,c), F.binary_cross_entropy(p,(c>1).float()),
        F.binary_cross_entropy_with_logits(a,(c>1).float()), F.cross_entropy(a,i), F.cross_entropy(a,i,reduction="none"),
        F.cross_entropy(a,i,reduction="sum"), F.nll_loss(a,i), F.kl_div(a,p.detach(),reduction="sum"), F.kl_div(a,p.detach()),
        F.kl_div(a,p.detach(),reduction="none"), F.soft_margin_loss(a,torch.ones(3,4)), F.multi_margin_loss(a,i),
        F.multilabel_margin_loss(a,torch.zeros(3,4).long()), F.triplet_margin_with_distance_loss(a,a+1,a+2),
        F.cross_entropy(im,torch.zeros(1,8,8).long()), F.gaussian_nll_loss(a,c,p), F.poisson_nll_loss(a,c),
        F.cosine_embedding_loss(a,c+1,torch.ones(3)), F.cross_entropy(a,c.softmax(1),label_smoothing=.1), torch.linalg.inv(sq),
        sq.inverse(), torch.linalg.det(sq), sq.det(), torch.linalg.lstsq(sq,a)[0], torch.linalg.lu_factor(sq)[0],
        torch.linalg.lu_solve(*torch.linalg.lu_factor(sq),a), torch.cholesky_solve(a,sq), torch.cholesky_inverse(sq),
        torch.linalg.eigvalsh(sq+sq.T), torch.linalg.eigh(sq+sq.T)[1], torch.linalg.svd(a)[0], torch.linalg.qr(a)[1],
        torch.svd(a)[1], torch.linalg.matrix_norm(a,"nuc"), torch.linalg.matrix_norm(a,2), torch.linalg.vector_norm(a,1),
        torch.linalg.eigvals(sq), torch.linalg.lu(sq)[2], torch.linalg.cholesky(sq@sq.T+torch.eye(3),upper=True),
        torch.linalg.slogdet(sq)[0], torch.linalg.tensorsolve(sq,v[:3]), torch.cdist(a,a), torch.cross(a[:,:3],a[:,1:],dim=1),
        torch.matrix_exp(sq), torch.stft(torch.ones(64,requires_grad=True),16,window=torch.ones(16),return_complex=False),
        torch.fft.fft(v,norm="ortho"), torch.fft.ifftn(torch.complex(a,a)), torch.fft.ifft(v),
        torch.fft.irfftn(torch.complex(a,a)), torch.fft.rfft(v,8), torch.complex(v,v)+torch.complex(v,v), torch.complex(v,v).imag,
        torch.complex(a,a).reshape(-1), torch.complex(v,v)**0.5, torch.complex(v,v)*v, torch.complex(v,v).abs()**2,
        torch.stack([torch.complex(v,v)]*2), torch.complex(v,v).cos(), torch.complex(a,a)@torch.complex(v,v),
        torch.einsum("ij,kj->ik",torch.complex(a,a),torch.complex(a,a)), torch.complex(a,a).sum(0),
        torch.complex(v,v).unsqueeze(0), torch.complex(a,a).permute(1,0), torch.complex(a,a).transpose(0,1), torch.complex(a,a).T,
        torch.complex(a,a)[0:1], torch.linalg.inv(torch.complex(sq,sq)), torch.complex(v,v).clone(), torch.complex(v,v)/2,
        torch.complex(v,v).to(torch.complex128), torch.dot(torch.complex(v,v),torch.complex(v,v)), torch.complex(v,v).flip(0),
        torch.complex(v,v).roll(1), torch.complex(v,v).expand(2,4), torch.distributions.Normal(v,1.).log_prob(torch.ones(4)),
        torch.distributions.Normal(v,1.).rsample(), torch.distributions.Categorical(logits=a).log_prob(i),
        torch.distributions.Categorical(logits=a).entropy(),
        torch.distributions.kl_divergence(torch.distributions.Normal(v,1.),torch.distributions.Normal(0.,1.)),
        torch.distributions.Bernoulli(logits=v).log_prob(torch.ones(4)),
        torch.distributions.MultivariateNormal(v,torch.eye(4)).log_prob(torch.ones(4)), a.half(), a.to(torch.float64),
        a.type_as(torch.ones(1,dtype=torch.float64)), torch.nn.utils.rnn.pack_padded_sequence(b3,[3,2],batch_first=True).data,
        R.pad_packed_sequence(R.pack_padded_sequence(b3,[3,2],batch_first=True),batch_first=True)[0],
        torch.nn.LSTM(4,2,batch_first=True)(b3)[0], torch.nn.LSTM(4,2,bidirectional=True)(b3)[0], torch.nn.LSTM(4,2)(a)[0],
        torch.nn.LSTM(4,2)(a)[1][0], torch.nn.RNN(4,2,batch_first=True)(b3)[0],
        torch.nn.TransformerEncoder(torch.nn.TransformerEncoderLayer(4,2,8,0.,batch_first=True),1)(b3),
        torch.nn.TransformerDecoderLayer(4,2,8,0.)(b3,b3), torch.nn.MultiheadAttention(4,2,batch_first=True)(b3,b3,b3)[0],
        F.scaled_dot_product_attention(b3[None],b3[None],b3[None],attn_mask=torch.ones(3,3).bool()),
        F.scaled_dot_product_attention(b3[None],b3[None],b3[None],is_causal=True), F.scaled_dot_product_attention(b3,b3,b3),
        torch.nn.LSTMCell(4,2)(a)[1], torch.nn.Embedding(5,3,padding_idx=0)(i),
        F.embedding_bag(i,torch.ones(5,3,requires_grad=True),torch.tensor([0,2]),mode="sum"),
        F.embedding_bag(i,torch.ones(5,3,requires_grad=True),torch.tensor([0,2]),mode="max"), torch.nn.Flatten()(b3),
        torch.nn.Unflatten(1,(3,1))(b3), torch.func.vmap(lambda x:x*2)(a),
        *[torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(4, 2), dim=dim).weight for dim in (0, 1, None)],
        torch.nn.utils.parametrizations.weight_norm(torch.nn.Conv1d(2, 3, 2), dim=1).weight,
        torch.fft.hfft2(torch.complex(a, a)), torch.fft.hfftn(torch.complex(a, a)), torch.fft.ihfft2(a), torch.fft.ihfftn(a),
    ]  # fmt: skip
    return [None if y.grad_fn is None else (y.grad_fn.name(), type(y.grad_fn).__name__) for y in results]


@pytest.mark.filterwarnings("ignore")  # PyTorch warns of some defaults
def test_names_of_nodes_of_many_functions_beside_pytorch():
    ours, theirs = names(minigrad.torch), noted(names)
    assert [pair for pair in enumerate(zip(ours, theirs, strict=True)) if pair[1][0] != pair[1][1]] == []


def test_a_title_is_no_other_than_a_title():
    """Functions that hand on an argument leave its node its name; what pictures and formulas know a node by is its op still."""
    import minigrad as mg

    x = mg.ones(1, 1, 2, 2, requires_grad=True) * 2
    assert mg.nn.functional.interpolate(x, size=2) is x and x.grad_fn.name() == "MulBackward0"
    y = mg.nn.functional.interpolate(x, size=4)
    assert (y.grad_fn.name, y.grad_fn.name()) == ("getitem", "UpsampleNearest2DBackward0") and isinstance(y.grad_fn, engine.Node)
    first, second = mg.unsqueeze(x, 0), mg.reshape(x, (1, 1, 1, 2, 2))
    assert [n.grad_fn.name() for n in (first, second)] == ["UnsqueezeBackward0", "ViewBackward0"]
    z = mg.complex(mg.tensor(1.0), mg.tensor(2.0)).requires_grad_() * 1
    assert mg.transpose(z, 0, 0) is z and z.grad_fn.name() == "MulBackward0"


def test_the_graph_is_walked_by_names():
    """As tutorials print it: ``next_functions`` are nodes of the same names."""
    import minigrad as mg

    x = mg.ones(3, requires_grad=True)
    node = (x * 2).unsqueeze(0).sum().grad_fn
    walked = []
    while node is not None:
        walked.append(type(node).__name__)
        node = node.next_functions[0][0] if node.next_functions else None
    assert walked == ["SumBackward0", "UnsqueezeBackward0", "MulBackward0", "Leaf"]


def test_plus_in_front():
    import minigrad as mg

    x = mg.ones(2)
    assert +x is x


def test_a_name_stays_when_the_graph_is_freed():
    import minigrad as mg

    layer = mg.nn.Linear(2, 3)
    for x, title in [(mg.ones(4, 2), "AddmmBackward0"), (mg.ones(1, 4, 2), "ViewBackward0")]:
        y = layer(x)
        y.sum().backward()
        assert repr(y).endswith(f"grad_fn=<{title}>)")
