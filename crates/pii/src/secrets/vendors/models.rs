//! Keys of models.

use super::Vendor;

pub(super) const FORMS: &[Vendor] = &[
    (
        "openai",
        &[
            r"sk-svcacct-[A-Za-z0-9_-]{20,74}T3BlbkFJ[A-Za-z0-9_-]{20,74}",
            r"sk-admin-[A-Za-z0-9_-]{20,74}T3BlbkFJ[A-Za-z0-9_-]{20,74}",
            r"sk-proj-[A-Za-z0-9_-]{20,74}T3BlbkFJ[A-Za-z0-9_-]{20,74}",
            r"sk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}",
        ],
    ),
    (
        "anthropic",
        &[
            r"sk-ant-admin01-[A-Za-z0-9_-]{93}AA",
            r"sk-ant-api03-[A-Za-z0-9_-]{93}AA",
            r"sk-ant-oat01-[A-Za-z0-9_-]{93}AA",
        ],
    ),
    (
        "huggingface",
        &[r"api_org_[A-Za-z]{34}", r"hf_[A-Za-z]{34}"],
    ),
    ("replicate", &[r"r8_[A-Za-z0-9]{37}"]),
    ("groq", &[r"gsk_[A-Za-z0-9]{52}"]),
    ("perplexity", &[r"pplx-[A-Za-z0-9]{48}"]),
    ("openrouter", &[r"sk-or-v1-[0-9a-f]{64}"]),
    ("xai", &[r"xai-[A-Za-z0-9]{80}"]),
    (
        "langsmith",
        &[
            r"lsv2_pt_[0-9a-f]{32}_[0-9a-f]{10}",
            r"lsv2_sk_[0-9a-f]{32}_[0-9a-f]{10}",
        ],
    ),
    ("cerebras", &[r"csk-[a-z0-9]{48}"]),
    ("nvidia", &[r"nvapi-[A-Za-z0-9_-]{60,70}"]),
    ("together", &[r"tgp_v1_[A-Za-z0-9_-]{43}"]),
    ("pinecone", &[r"pcsk_[A-Za-z0-9]{5,6}_[A-Za-z0-9]{63}"]),
    (
        "tavily",
        &[
            r"tvly-dev-[A-Za-z0-9]{32}",
            r"tvly-prod-[A-Za-z0-9]{32}",
            r"tvly-[A-Za-z0-9]{32}",
        ],
    ),
    (
        "langfuse",
        &[r"sk-lf-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"],
    ),
    ("llamacloud", &[r"llx-[A-Za-z0-9]{44,52}"]),
    ("jina", &[r"jina_[0-9a-f]{32}[A-Za-z0-9_-]{28}"]),
    ("deepseek", &[r"sk-[0-9a-f]{32}"]),
    ("moonshot", &[r"sk-[A-Za-z0-9]{48}"]),
    ("wandb", &[r"wandb_v1_[A-Za-z0-9_]{77}"]),
    ("runpod", &[r"rpa_[A-Z0-9]{40}[A-Za-z0-9]{6}"]),
];
