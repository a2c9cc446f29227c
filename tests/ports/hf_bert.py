"""An encoder in the manner of the libraries of language models: config, extended attention mask, tied head, init by apply, padding collate, output classes."""

import json
import math
from collections import OrderedDict
from dataclasses import asdict, dataclass, fields

import torch
import torch.utils.checkpoint
from drawn import integers, same_weights
from torch import Tensor, nn
from torch.nn import BCEWithLogitsLoss, CrossEntropyLoss, MSELoss
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, SequentialSampler


class Config:
    def __init__(
        self, vocab_size=17, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=12, max_position=10, **kwargs
    ):
        self.vocab_size, self.hidden_size, self.num_hidden_layers = vocab_size, hidden_size, num_hidden_layers
        self.num_attention_heads, self.intermediate_size, self.max_position = num_attention_heads, intermediate_size, max_position
        self.layer_norm_eps = kwargs.pop("layer_norm_eps", 1e-12)
        self.initializer_range = kwargs.pop("initializer_range", 0.02)
        self.hidden_act, self.pad_token_id, self.gradient_checkpointing = "gelu_new", 0, kwargs.pop("gradient_checkpointing", False)

    def to_json_string(self):
        return json.dumps(self.__dict__, indent=2, sort_keys=True)


def gelu_new(x: Tensor) -> Tensor:
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * torch.pow(x, 3.0))))


ACT2FN = {"gelu": nn.functional.gelu, "gelu_new": gelu_new, "silu": nn.SiLU()}


@dataclass
class Output:
    loss: torch.FloatTensor | None = None
    logits: torch.FloatTensor = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None
    attentions: tuple[torch.FloatTensor] | None = None

    def to_tuple(self):
        return tuple(getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None)


class Embeddings(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size, padding_idx=config.pad_token_id)
        self.position_embeddings = nn.Embedding(config.max_position, config.hidden_size)
        self.token_type_embeddings = nn.Embedding(2, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(0.0)
        self.register_buffer("position_ids", torch.arange(config.max_position).expand((1, -1)), persistent=False)
        self.register_buffer("token_type_ids", torch.zeros(self.position_ids.size(), dtype=torch.long), persistent=False)

    def forward(self, input_ids: torch.LongTensor, token_type_ids=None):
        batch, length = input_ids.size()
        if token_type_ids is None:
            token_type_ids = self.token_type_ids[:, :length].expand(batch, length)
        x = self.word_embeddings(input_ids) + self.token_type_embeddings(token_type_ids)
        x += self.position_embeddings(self.position_ids[:, :length])
        return self.dropout(self.LayerNorm(x))


class SelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        if config.hidden_size % config.num_attention_heads != 0 and not hasattr(config, "embedding_size"):
            raise ValueError("hidden size")
        self.heads, self.head_size = config.num_attention_heads, int(config.hidden_size / config.num_attention_heads)
        self.query, self.key, self.value = (nn.Linear(config.hidden_size, self.heads * self.head_size) for _ in range(3))

    def transpose_for_scores(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(x.size()[:-1] + (self.heads, self.head_size)).permute(0, 2, 1, 3)

    def forward(self, hidden, mask=None, output_attentions=False) -> tuple[torch.Tensor, ...]:
        q, k, v = (self.transpose_for_scores(f(hidden)) for f in (self.query, self.key, self.value))
        scores = torch.matmul(q, k.transpose(-1, -2)) / math.sqrt(self.head_size)
        if mask is not None:
            scores = scores + mask
        probs = nn.functional.softmax(scores, dim=-1, dtype=torch.float64).to(q.dtype)
        context = torch.matmul(probs, v).permute(0, 2, 1, 3).contiguous()
        context = context.view(context.size()[:-2] + (self.heads * self.head_size,))
        return (context, probs) if output_attentions else (context,)


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.attention = nn.ModuleDict({"self": SelfAttention(config), "output": nn.Linear(config.hidden_size, config.hidden_size)})
        self.norms = nn.ModuleList(nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps) for _ in range(2))
        self.intermediate = nn.Linear(config.hidden_size, config.intermediate_size)
        self.output = nn.Linear(config.intermediate_size, config.hidden_size)
        self.act = ACT2FN[config.hidden_act] if isinstance(config.hidden_act, str) else config.hidden_act

    def forward(self, hidden, mask, output_attentions):
        attended = self.attention["self"](hidden, mask, output_attentions)
        hidden = self.norms[0](hidden + self.attention["output"](attended[0]))
        hidden = self.norms[1](hidden + self.output(self.act(self.intermediate(hidden))))
        return (hidden,) + attended[1:]


class PreTrained(nn.Module):
    base_model_prefix = "bert"

    def _init_weights(self, module):
        if isinstance(module, nn.Linear):
            module.weight.data.normal_(mean=0.0, std=self.config.initializer_range)
            if module.bias is not None:
                module.bias.data.zero_()
        elif isinstance(module, nn.Embedding):
            module.weight.data.normal_(mean=0.0, std=self.config.initializer_range)
            if module.padding_idx is not None:
                module.weight.data[module.padding_idx].zero_()
        elif isinstance(module, nn.LayerNorm):
            module.bias.data.zero_()
            module.weight.data.fill_(1.0)

    def num_parameters(self, only_trainable=False):
        return sum(p.numel() for p in self.parameters() if p.requires_grad or not only_trainable)


class Bert(PreTrained):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config)
        self.layer = nn.ModuleList([Layer(config) for _ in range(config.num_hidden_layers)])
        self.apply(self._init_weights)

    @property
    def dtype(self):
        return self.embeddings.word_embeddings.weight.dtype

    def extended(self, mask):
        if mask.dim() == 3:
            mask = mask[:, None, :, :]
        elif mask.dim() == 2:
            mask = mask[:, None, None, :]
        return (1.0 - mask.to(dtype=self.dtype)) * torch.finfo(self.dtype).min

    def forward(self, input_ids, attention_mask=None, output_attentions=False, output_hidden_states=False):
        if attention_mask is None:
            attention_mask = torch.ones(input_ids.shape, device=input_ids.device)
        mask = self.extended(attention_mask)
        hidden = self.embeddings(input_ids)
        states, attentions = (hidden,), ()
        for layer_module in self.layer:
            if self.config.gradient_checkpointing and self.training:
                out = torch.utils.checkpoint.checkpoint(layer_module.__call__, hidden, mask, output_attentions, use_reentrant=False)
            else:
                out = layer_module(hidden, mask, output_attentions)
            hidden = out[0]
            states += (hidden,)
            attentions += out[1:]
        return hidden, states if output_hidden_states else None, attentions or None


class ForMaskedLM(PreTrained):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.bert = Bert(config)
        self.transform = nn.Sequential(
            OrderedDict(
                dense=nn.Linear(config.hidden_size, config.hidden_size),
                act=nn.GELU(approximate="tanh"),
                norm=nn.LayerNorm(config.hidden_size),
            )
        )
        self.decoder = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))
        self.decoder.bias = self.bias
        self.decoder.weight = self.bert.embeddings.word_embeddings.weight

    def forward(self, input_ids, attention_mask=None, labels=None, return_dict=True, **kwargs) -> tuple | Output:
        hidden, states, attentions = self.bert(input_ids, attention_mask, **kwargs)
        scores = self.decoder(self.transform(hidden))
        loss = None
        if labels is not None:
            loss_fct = CrossEntropyLoss()
            loss = loss_fct(scores.view(-1, self.config.vocab_size), labels.view(-1))
        out = Output(loss=loss, logits=scores, hidden_states=states, attentions=attentions)
        return out if return_dict else out.to_tuple()


def collate(examples: list[Tensor]):
    ids = pad_sequence(examples, batch_first=True, padding_value=0)
    attention = ids.ne(0).long()
    labels = ids.clone()
    chosen = (torch.arange(ids.shape[1]) % 3 == 1).unsqueeze(0).expand_as(ids) & attention.bool()
    labels[~chosen] = -100
    ids[chosen & (labels % 2 == 0)] = 16
    ids = torch.where(chosen & (labels % 5 == 1), (labels + 3).remainder(16) + 1, ids)
    return {"input_ids": ids, "attention_mask": attention, "labels": labels}


def main():
    assert BCEWithLogitsLoss is nn.BCEWithLogitsLoss and issubclass(MSELoss, nn.Module)
    lengths = [4, 7, 3, 9, 5, 6, 8, 2]
    sentences = [torch.from_numpy(integers(310 + i, 15, n)) + 1 for i, n in enumerate(lengths)]
    loader = DataLoader(sentences, sampler=SequentialSampler(sentences), batch_size=4, collate_fn=collate)
    config = Config(gradient_checkpointing=True)
    assert json.loads(config.to_json_string())["pad_token_id"] == 0
    model = ForMaskedLM(config)
    assert model.bert.embeddings.word_embeddings.weight[0].abs().sum() == 0
    same_weights(model)
    with torch.no_grad():
        model.bert.embeddings.word_embeddings.weight[0] = 0.0
    model.train()
    no_decay = ["bias", "LayerNorm.weight"]
    groups = [
        {"params": [p for n, p in model.named_parameters() if not any(nd in n for nd in no_decay)], "weight_decay": 0.01},
        {"params": [p for n, p in model.named_parameters() if any(nd in n for nd in no_decay)], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=5e-3, betas=(0.9, 0.98), eps=1e-6)
    losses = []
    for _ in range(3):
        for batch in loader:
            batch = {k: t.to(next(model.parameters()).device) for k, t in batch.items()}
            outputs = model(**batch)
            loss = outputs.loss if not isinstance(outputs, tuple) else outputs[0]
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            model.zero_grad()
            losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        loss, logits, states, attentions = model(**batch, output_attentions=True, output_hidden_states=True, return_dict=False)
        assert len(states) == 3 and attentions[0].shape == torch.Size([4, 2, batch["input_ids"].size(1), batch["input_ids"].size(1)])
        probability, best = logits.softmax(-1).topk(2)
        perplexity = torch.exp(loss)
        mean_pooled = (states[-1] * batch["attention_mask"].unsqueeze(-1)).sum(1) / batch["attention_mask"].sum(1, keepdim=True).clamp(
            min=1e-9
        )
        similarity = nn.functional.cosine_similarity(mean_pooled[:, None], mean_pooled[None], dim=-1)
    losses += [perplexity.item(), probability.sum().item(), best.sum().item(), similarity.sum().item(), model.num_parameters(True)]
    losses += [a.std().item() for a in attentions]
    assert asdict(Output(loss=1.0))["loss"] == 1.0
    return losses
