//! The vendors' forms, as their documentation gives them; those whose form says little by itself
//! need their name beside the key.

/// Forms that tell by themselves.
pub(super) const PLAIN: &[(&str, &[&str])] = &[
    (
        "github",
        &[
            r"ghs_[0-9]{1,20}_eyJ[A-Za-z0-9_-]{1,200}\.eyJ[A-Za-z0-9_-]{1,200}\.[A-Za-z0-9_-]{1,200}",
            r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}",
            r"gh[pous]_[A-Za-z0-9]{36}",
            r"ghr_[A-Za-z0-9]{76}",
        ],
    ),
    (
        "gitlab",
        &[
            r"glpat-[A-Za-z0-9_-]{27,300}\.[0-9a-z]{2}\.[0-9a-z]{9}",
            r"gldt-[A-Za-z0-9_-]{27,300}\.[0-9a-z]{2}\.[0-9a-z]{9}",
            r"glrt-[A-Za-z0-9_-]{27,300}\.[0-9a-z]{2}\.[0-9a-z]{9}",
            r"glpat-[A-Za-z0-9_-]{27,300}\.[0-9a-z]{9}",
            r"gldt-[A-Za-z0-9_-]{27,300}\.[0-9a-z]{9}",
            r"glrt-[A-Za-z0-9_-]{27,300}\.[0-9a-z]{9}",
            r"glcbt-[0-9a-f]{1,5}_[A-Za-z0-9_-]{20}",
            r"glrt-t[0-9]_[A-Za-z0-9_-]{20}",
            r"GR1348941[A-Za-z0-9_-]{20}",
            r"glagent-[A-Za-z0-9_-]{50}",
            r"glffct-[A-Za-z0-9_-]{20}",
            r"glsoat-[A-Za-z0-9_-]{20}",
            r"glimt-[A-Za-z0-9_-]{25}",
            r"glpat-[A-Za-z0-9_-]{20}",
            r"gldt-[A-Za-z0-9_-]{20}",
            r"glft-[A-Za-z0-9_-]{20}",
            r"glrt-[A-Za-z0-9_-]{20}",
            r"gloas-[0-9a-f]{64}",
            r"glptt-[0-9a-f]{40}",
        ],
    ),
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
    (
        "stripe",
        &[
            r"[srp]k_live_[A-Za-z0-9]{24,247}",
            r"[srp]k_test_[A-Za-z0-9]{24,247}",
            r"[sr]k_prod_[A-Za-z0-9]{90,247}",
            r"whsec_[A-Za-z0-9]{32}",
            r"whsec_[0-9a-f]{64}",
        ],
    ),
    (
        "shopify",
        &[
            r"shpat_[0-9a-fA-F]{32}",
            r"shpca_[0-9a-fA-F]{32}",
            r"shppa_[0-9a-fA-F]{32}",
            r"shpss_[0-9a-fA-F]{32}",
        ],
    ),
    (
        "square",
        &[
            r"sq0atp-[A-Za-z0-9_-]{22,60}",
            r"sq0csp-[A-Za-z0-9_-]{43}",
            r"EAAA[A-Za-z0-9_-]{60}",
        ],
    ),
    (
        "braintree",
        &[
            r"access_token\$production\$[0-9a-z]{16}\$[0-9a-f]{32}",
            r"access_token\$sandbox\$[0-9a-z]{16}\$[0-9a-f]{32}",
        ],
    ),
    (
        "plaid",
        &[
            r"access-development-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
            r"access-production-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
            r"access-sandbox-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        ],
    ),
    (
        "shippo",
        &[r"shippo_live_[0-9a-f]{40}", r"shippo_test_[0-9a-f]{40}"],
    ),
    ("easypost", &[r"EZ[AT]K[A-Za-z0-9]{54}"]),
    (
        "duffel",
        &[
            r"duffel_live_[A-Za-z0-9_-]{43}",
            r"duffel_test_[A-Za-z0-9_-]{43}",
        ],
    ),
    (
        "slack",
        &[
            r"https://hooks\.slack\.com/services/T[A-Z0-9]{8,10}/B[A-Z0-9]{8,10}/[A-Za-z0-9]{24}",
            r"https://hooks\.slack\.com/services/[A-Za-z0-9+/]{43,80}",
            r"https://hooks\.slack\.com/workflows/[A-Za-z0-9+/]{43,80}",
            r"https://hooks\.slack\.com/triggers/[A-Za-z0-9+/]{43,80}",
            r"http://hooks\.slack\.com/services/[A-Za-z0-9+/]{43,80}",
            r"http://hooks\.slack\.com/workflows/[A-Za-z0-9+/]{43,80}",
            r"xox[ep]-[0-9]{10,13}-[0-9]{10,13}-[0-9]{10,13}-[A-Za-z0-9-]{28,34}",
            r"xapp-[0-9]-[A-Z0-9]{9,11}-[0-9]{10,13}-[0-9a-z]{40,80}",
            r"xoxb-[0-9]{10,13}-[0-9]{10,13}-[A-Za-z0-9-]{24,40}",
            // Of earlier times, which are in use still.
            r"xoxb-[0-9]{8,14}-[A-Za-z0-9]{18,26}",
            r"xox[os]-[0-9]{6,14}-[0-9]{6,14}-[0-9]{6,14}-[0-9a-fA-F]{8,72}",
            r"xox[ar]-[0-9]-[0-9]{6,14}-[0-9]{6,14}-[0-9]{6,14}-[0-9a-fA-F]{8,72}",
            r"xox[ar]-[0-9]-[0-9A-Za-z]{8,48}",
            r"xox[ar]-[0-9A-Za-z]{8,48}",
            r"xoxe\.xox[bp]-[0-9]-[A-Za-z0-9]{140,170}",
            r"xoxe-[0-9]-[A-Za-z0-9]{140,170}",
        ],
    ),
    (
        "discord",
        &[
            r"https://canary\.discordapp\.com/api/webhooks/[0-9]{17,20}/[A-Za-z0-9_-]{60,80}",
            r"https://canary\.discord\.com/api/webhooks/[0-9]{17,20}/[A-Za-z0-9_-]{60,80}",
            r"https://ptb\.discordapp\.com/api/webhooks/[0-9]{17,20}/[A-Za-z0-9_-]{60,80}",
            r"https://ptb\.discord\.com/api/webhooks/[0-9]{17,20}/[A-Za-z0-9_-]{60,80}",
            r"https://discordapp\.com/api/webhooks/[0-9]{17,20}/[A-Za-z0-9_-]{60,80}",
            r"https://discord\.com/api/webhooks/[0-9]{17,20}/[A-Za-z0-9_-]{60,80}",
            r"[MNO][A-Za-z0-9_-]{22,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}",
        ],
    ),
    ("telegram", &[r"[0-9]{8,10}:A[A-Za-z0-9_-]{34}"]),
    ("twilio", &[r"AC[0-9a-f]{32}", r"SK[0-9a-f]{32}"]),
    ("sendgrid", &[r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"]),
    ("mailgun", &[r"[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8}"]),
    ("mailchimp", &[r"[0-9a-f]{32}-us[0-9]{1,2}"]),
    ("brevo", &[r"xkeysib-[0-9a-f]{64}-[A-Za-z0-9]{16}"]),
    ("npm", &[r"npm_[A-Za-z0-9]{36}"]),
    (
        "pypi",
        &[
            r"pypi-AgENdGVzdC5weXBpLm9yZw[A-Za-z0-9_-]{50,1000}",
            r"pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,1000}",
        ],
    ),
    ("rubygems", &[r"rubygems_[0-9a-f]{48}"]),
    (
        "crates_io",
        &[r"cio_tp_[A-Za-z0-9]{32}", r"cio[A-Za-z0-9]{32}"],
    ),
    ("nuget", &[r"oy2[0-9a-z]{43}"]),
    (
        "docker_hub",
        &[r"dckr_oat_[A-Za-z0-9_-]{32}", r"dckr_pat_[A-Za-z0-9_-]{27}"],
    ),
    (
        "artifactory",
        &[r"cmVmdGtu[A-Za-z0-9]{56}", r"AKCp[A-Za-z0-9]{69}"],
    ),
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
        "terraform_cloud",
        &[r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9]{60,70}"],
    ),
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
    ("pulumi", &[r"pul-[0-9a-f]{40}"]),
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
    ("octopus", &[r"API-[A-Z0-9]{26}"]),
    (
        "circleci",
        &[
            r"CCIPAT_[A-Za-z0-9]{22}_[0-9a-f]{40}",
            r"CCIPRJ_[A-Za-z0-9]{22}_[0-9a-f]{40}",
        ],
    ),
    ("buildkite", &[r"bkua_[0-9a-f]{40}"]),
    ("prefect", &[r"pnu_[A-Za-z0-9]{36}"]),
    ("sonarqube", &[r"sq[upa]_[0-9A-Za-z]{40}"]),
    (
        "new_relic",
        &[
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
        "sentry",
        &[
            r"sntrys_eyJ[A-Za-z0-9+/]{40,400}={0,2}_[A-Za-z0-9+/]{43}",
            r"sntry[uai]_[0-9a-f]{64}",
        ],
    ),
    (
        "dynatrace",
        &[r"dt0[cs][0-9]{2}\.[A-Z2-7]{24}\.[A-Z2-7]{64}"],
    ),
    (
        "launchdarkly",
        &[
            r"api-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
            r"sdk-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        ],
    ),
    ("segment", &[r"sgp_[A-Za-z0-9]{64}"]),
    (
        "sourcegraph",
        &[
            r"sgp_[0-9a-fA-F]{16}_[0-9a-fA-F]{40}",
            r"sgp_local_[0-9a-fA-F]{40}",
            r"sgp_[0-9a-fA-F]{40}",
        ],
    ),
    (
        "linear",
        &[r"lin_api_[A-Za-z0-9]{40}", r"lin_oauth_[0-9a-f]{64}"],
    ),
    (
        "notion",
        &[r"ntn_[0-9]{11}[A-Za-z0-9]{35}", r"secret_[A-Za-z0-9]{43}"],
    ),
    (
        "atlassian",
        &[
            r"AT[ACS]TT3[A-Za-z0-9_-]{100,250}=?[0-9A-F]{0,8}",
            r"ATBB[A-Za-z0-9]{24}[0-9A-F]{8}",
        ],
    ),
    ("airtable", &[r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}"]),
    (
        "asana",
        &[
            r"[0-2]/[0-9]{15,17}/[0-9]{15,17}:[0-9a-f]{32}",
            r"[0-2]/[0-9]{15,17}:[0-9a-f]{32}",
        ],
    ),
    ("figma", &[r"figd_[A-Za-z0-9_-]{40}"]),
    ("postman", &[r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}"]),
    (
        "hubspot",
        &[
            r"pat-ap[0-9]-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
            r"pat-eu[0-9]-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
            r"pat-na[0-9]-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        ],
    ),
    ("contentful", &[r"CFPAT-[A-Za-z0-9_-]{43}"]),
    ("typeform", &[r"tfp_[A-Za-z0-9_-]{59}"]),
    ("intercom", &[r"dG9rO[A-Za-z0-9+/]{54}="]),
    (
        "firebase",
        &[r"AAAA[A-Za-z0-9_-]{7}:APA91b[A-Za-z0-9_-]{134}"],
    ),
    (
        "mapbox",
        &[r"[pst]k\.eyJ1Ijoi[A-Za-z0-9_-]{20,200}\.[A-Za-z0-9_-]{22}"],
    ),
    ("facebook", &[r"EAA[A-Za-z0-9]{90,400}"]),
    ("castai", &[r"castai_v1_[0-9a-f]{64}_[0-9a-f]{8}"]),
    ("adobe", &[r"p8e-[0-9a-z]{32}"]),
    ("openshift", &[r"sha256~[A-Za-z0-9_-]{43}"]),
    (
        "intra42",
        &[r"s-s4t2ud-[0-9a-f]{64}", r"s-s4t2af-[0-9a-f]{64}"],
    ),
    (
        "teams",
        &[
            r"https://[A-Za-z0-9-]{1,60}\.webhook\.office\.com/webhookb2/[0-9a-z-]{36}@[0-9a-z-]{36}/IncomingWebhook/[0-9A-Za-z]{32}/[0-9a-z-]{36}",
        ],
    ),
    (
        "dropbox",
        &[
            r"sl\.u\.[A-Za-z0-9_-]{130,1300}",
            r"sl\.[A-Za-z0-9_-]{130,1300}",
        ],
    ),
];

const UUID: &str = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}";

/// Forms that tell beside one of some words.
pub(super) const TOLD: &[(&str, &[&str], &[&str])] = &[
    (
        "facebook_app",
        &[r"[0-9]{15,16}\|[A-Za-z0-9_-]{27,40}"],
        &["facebook", "fb", "graph api", "access token", "app token"],
    ),
    (
        "aws_secret",
        &[r"[A-Za-z0-9/+]{40}"],
        &[
            "aws secret",
            "aws secret access key",
            "aws secret key",
            "secret access key",
            "secretaccesskey",
        ],
    ),
    (
        "azure_storage",
        &[r"[A-Za-z0-9+/]{86}=="],
        &[
            "account key",
            "accountkey",
            "azure storage",
            "cosmos",
            "storage key",
        ],
    ),
    ("cohere", &[r"[A-Za-z0-9]{40}"], &["co api key", "cohere"]),
    ("mistral", &[r"[A-Za-z0-9]{32}"], &["mistral"]),
    ("paypal", &[r"E[A-Za-z0-9_-]{79}"], &["paypal"]),
    ("plaid_secret", &[r"[0-9a-f]{30}"], &["plaid"]),
    (
        "twilio_auth_token",
        &[r"[0-9a-f]{32}"],
        &["twilio", "twilio auth token", "twilio token"],
    ),
    ("mailgun_legacy", &[r"key-[0-9a-z]{32}"], &["mailgun"]),
    (
        "jfrog",
        &[r"[A-Za-z0-9]{64,73}"],
        &["artifactory", "bintray", "jfrog", "xray"],
    ),
    (
        "sonar",
        &[r"[A-Za-z0-9]{40}"],
        &["sonar", "sonar login", "sonarqube", "sonarcloud"],
    ),
    (
        "messagebird",
        &[UUID],
        &["messagebird client id", "message bird client id"],
    ),
    (
        "hubspot",
        &[UUID],
        &["hubspot key", "hubspot token", "hubspot api key"],
    ),
    (
        "snyk",
        &[UUID],
        &[
            "snyk api key",
            "snyk api token",
            "snyk key",
            "snyk oauth token",
            "snyk token",
        ],
    ),
    (
        "heroku_legacy",
        &[UUID],
        &[
            "heroku api key",
            "heroku auth token",
            "heroku key",
            "heroku token",
        ],
    ),
    (
        "cloudflare_legacy",
        &[r"[A-Za-z0-9_-]{40}", r"[0-9a-f]{37,45}"],
        &["cf api key", "cf api token", "cloudflare", "x auth key"],
    ),
    ("fastly", &[r"[A-Za-z0-9_-]{32}"], &["fastly"]),
    (
        "vault_legacy",
        &[r"s\.[A-Za-z0-9]{24}"],
        &["vault", "vault token", "x vault token"],
    ),
    (
        "datadog",
        &[r"[0-9a-f]{32}", r"[0-9a-f]{40}"],
        &["datadog", "dd api key", "dd app key", "dd application key"],
    ),
    ("algolia", &[r"[0-9a-f]{32}"], &["algolia"]),
    ("zendesk", &[r"[A-Za-z0-9]{40}"], &["zendesk"]),
    ("okta", &[r"00[A-Za-z0-9_-]{40}"], &["okta", "ssws"]),
    (
        "twitter",
        &[r"A{20,23}[A-Za-z0-9%]{60,120}"],
        &["api twitter com", "api x com", "tweepy", "twitter"],
    ),
];
