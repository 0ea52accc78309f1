//! Keys of clouds and of what runs in them.

use super::Vendor;

pub(super) const FORMS: &[Vendor] = &[
    (
        "aws",
        &[
            r"ABIA[A-Z2-7]{16}",
            r"ACCA[A-Z2-7]{16}",
            r"AKIA[A-Z2-7]{16}",
            r"ASIA[A-Z2-7]{16}",
        ],
    ),
    (
        "google",
        &[
            r"ya29\.[A-Za-z0-9_-]{30,1024}",
            r"AQ\.Ab[A-Za-z0-9_-]{40,60}",
            r"1//0[A-Za-z0-9_-]{40,200}",
            r"GOCSPX-[A-Za-z0-9_-]{28}",
            r"AIza[A-Za-z0-9_-]{35}",
        ],
    ),
    (
        "azure_client_secret",
        &[r"[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}"],
    ),
    ("azure_devops", &[r"[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}"]),
    ("digitalocean", &[r"do[opr]_v1_[0-9a-f]{64}"]),
    ("heroku", &[r"HRKU-AA[A-Za-z0-9_-]{58}"]),
    (
        "cloudflare",
        &[
            r"v1\.0-[0-9a-f]{24}-[0-9a-f]{146}",
            r"cfat_[A-Za-z0-9]{46,50}",
            r"cfut_[A-Za-z0-9]{46,50}",
            r"cfk_[A-Za-z0-9]{46,50}",
        ],
    ),
    ("netlify", &[r"nfp_[A-Za-z0-9]{36}"]),
    (
        "fly_io",
        &[
            r"fm1[ar]_[A-Za-z0-9+/]{100,2000}={0,3}",
            r"fm2_[A-Za-z0-9+/]{100,2000}={0,3}",
            r"fo1_[A-Za-z0-9_-]{43}",
        ],
    ),
    (
        "supabase",
        &[
            r"sb_secret_[A-Za-z0-9_-]{22}_[A-Za-z0-9_-]{8}",
            r"sbp_[0-9a-f]{40}",
        ],
    ),
    (
        "planetscale",
        &[
            r"pscale_oauth_[A-Za-z0-9_.-]{32,64}",
            r"pscale_tkn_[A-Za-z0-9_.-]{32,64}",
            r"pscale_pw_[A-Za-z0-9_.-]{32,64}",
        ],
    ),
    (
        "databricks",
        &[r"dapi[0-9a-f]{32}-[0-9]", r"dapi[0-9a-f]{32}"],
    ),
    ("vault", &[r"hv[sbr]\.[A-Za-z0-9_-]{24,300}"]),
    (
        "doppler",
        &[
            r"dp\.audit\.[a-z0-9_-]{2,35}\.[A-Za-z0-9]{40,44}",
            r"dp\.scim\.[a-z0-9_-]{2,35}\.[A-Za-z0-9]{40,44}",
            r"dp\.ct\.[a-z0-9_-]{2,35}\.[A-Za-z0-9]{40,44}",
            r"dp\.pt\.[a-z0-9_-]{2,35}\.[A-Za-z0-9]{40,44}",
            r"dp\.sa\.[a-z0-9_-]{2,35}\.[A-Za-z0-9]{40,44}",
            r"dp\.st\.[a-z0-9_-]{2,35}\.[A-Za-z0-9]{40,44}",
            r"dp\.audit\.[A-Za-z0-9]{40,44}",
            r"dp\.scim\.[A-Za-z0-9]{40,44}",
            r"dp\.ct\.[A-Za-z0-9]{40,44}",
            r"dp\.pt\.[A-Za-z0-9]{40,44}",
            r"dp\.sa\.[A-Za-z0-9]{40,44}",
            r"dp\.st\.[A-Za-z0-9]{40,44}",
        ],
    ),
    (
        "onepassword",
        &[
            r"A3-[2-9A-HJ-NP-TV-Z]{6}-[2-9A-HJ-NP-TV-Z]{6}-[2-9A-HJ-NP-TV-Z]{5}-[2-9A-HJ-NP-TV-Z]{5}-[2-9A-HJ-NP-TV-Z]{5}-[2-9A-HJ-NP-TV-Z]{5}",
            r"A3-[2-9A-HJ-NP-TV-Z]{6}-[2-9A-HJ-NP-TV-Z]{11}-[2-9A-HJ-NP-TV-Z]{5}-[2-9A-HJ-NP-TV-Z]{5}-[2-9A-HJ-NP-TV-Z]{5}",
            r"ops_eyJ[A-Za-z0-9+/_-]{250,2000}={0,3}",
        ],
    ),
    ("age", &[r"AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}"]),
    (
        "tailscale",
        &[
            r"tskey-webhook-[A-Za-z0-9]{6,20}CNTRL-[A-Za-z0-9]{18,40}",
            r"tskey-client-[A-Za-z0-9]{6,20}CNTRL-[A-Za-z0-9]{18,40}",
            r"tskey-scim-[A-Za-z0-9]{6,20}CNTRL-[A-Za-z0-9]{18,40}",
            r"tskey-auth-[A-Za-z0-9]{6,20}CNTRL-[A-Za-z0-9]{18,40}",
            r"tskey-api-[A-Za-z0-9]{6,20}CNTRL-[A-Za-z0-9]{18,40}",
        ],
    ),
    ("alibaba", &[r"LTAI[A-Za-z0-9]{20}"]),
    (
        "new_relic",
        &[
            r"NRRA-[0-9a-f]{42}",
            r"NRIQ-[A-Za-z0-9_-]{32}",
            r"NRAA-[0-9a-f]{27}",
            r"eu01xx[0-9a-f]{26}FFFFNRAL",
            r"NRII-[A-Za-z0-9_-]{32}",
            r"[0-9a-f]{32}FFFFNRAL",
            r"NRAK-[A-Z0-9]{27}",
            r"NRJS-[0-9a-f]{19}",
            r"[0-9a-f]{36}NRAL",
        ],
    ),
    (
        "grafana",
        &[
            r"eyJrIjoi[A-Za-z0-9+/]{50,400}={0,2}",
            r"glsa_[A-Za-z0-9]{32}_[0-9a-f]{8}",
            r"glc_[A-Za-z0-9+/]{32,400}={0,2}",
        ],
    ),
    (
        "dynatrace",
        &[r"dt0[cs][0-9]{2}\.[A-Z2-7]{24}\.[A-Z2-7]{64}"],
    ),
    (
        "firebase",
        &[r"AAAA[A-Za-z0-9_-]{7}:APA91b[A-Za-z0-9_-]{134}"],
    ),
    ("render", &[r"rnd_[A-Za-z0-9]{28,32}"]),
    ("vercel", &[r"vc[acikpr]_[A-Za-z0-9]{56}"]),
    ("neon", &[r"napi_[A-Za-z0-9]{64}"]),
    ("cockroach", &[r"CCDB1_[A-Za-z0-9]{22}_[A-Za-z0-9]{40}"]),
    ("mongodb_atlas", &[r"mdb_sa_sk_[A-Za-z0-9_-]{40}"]),
    ("clickhouse", &[r"4b1d[A-Za-z0-9]{38}"]),
    ("scalingo", &[r"tk-us-[A-Za-z0-9_-]{48}"]),
    ("yandex", &[r"AQVN[A-Za-z0-9_-]{35,38}"]),
    ("truenas", &[r"[0-9]{1,4}-[A-Za-z0-9]{64}"]),
];
