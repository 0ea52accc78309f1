//! Keys of services: payment, messages, offices, shops.

use super::Vendor;

pub(super) const FORMS: &[Vendor] = &[
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
            r"xoxc-[0-9]{9,15}-[0-9]{9,15}-[0-9]{9,15}-[0-9a-f]{64}",
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
    (
        "brevo",
        &[
            r"xsmtpsib-[0-9a-f]{64}-[A-Za-z0-9]{16}",
            r"xkeysib-[0-9a-f]{64}-[A-Za-z0-9]{16}",
        ],
    ),
    ("segment", &[r"sgp_[A-Za-z0-9]{64}"]),
    (
        "notion",
        &[r"ntn_[0-9]{11}[A-Za-z0-9]{35}", r"secret_[A-Za-z0-9]{43}"],
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
        "mapbox",
        &[r"[pst]k\.eyJ1Ijoi[A-Za-z0-9_-]{20,200}\.[A-Za-z0-9_-]{22}"],
    ),
    ("facebook", &[r"EAA[A-Za-z0-9]{90,400}"]),
    ("adobe", &[r"p8e-[0-9a-z]{32}"]),
    (
        "intra42",
        &[r"s-s4t2ud-[0-9a-f]{64}", r"s-s4t2af-[0-9a-f]{64}"],
    ),
    (
        "teams",
        &[
            r"https://outlook\.office365\.com/webhook/[0-9a-z-]{36}@[0-9a-z-]{36}/IncomingWebhook/[0-9A-Za-z]{32}/[0-9a-z-]{36}",
            r"https://outlook\.office\.com/webhook/[0-9a-z-]{36}@[0-9a-z-]{36}/IncomingWebhook/[0-9A-Za-z]{32}/[0-9a-z-]{36}",
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
    (
        "resend",
        &[r"re_[1-9A-HJ-NP-Za-km-z]{8}_[1-9A-HJ-NP-Za-km-z]{24}"],
    ),
    (
        "flutterwave",
        &[r"FLWSECK_TEST-[0-9a-h]{32}-X", r"FLWSECK-[0-9a-h]{32}-X"],
    ),
    (
        "paddle",
        &[
            r"pdl_live_apikey_[a-z0-9]{26}_[A-Za-z0-9]{22}_[A-Za-z0-9]{3}",
            r"pdl_sdbx_apikey_[a-z0-9]{26}_[A-Za-z0-9]{22}_[A-Za-z0-9]{3}",
        ],
    ),
    (
        "xendit",
        &[
            r"xnd_production_[A-Za-z0-9]{56,72}",
            r"xnd_development_[A-Za-z0-9]{56,72}",
        ],
    ),
    ("twitch", &[r"live_[0-9]{6,12}_[A-Za-z0-9]{30}"]),
    ("mailersend", &[r"mlsn\.[A-Za-z0-9]{60,100}"]),
    ("posthog", &[r"phx_[A-Za-z0-9]{41,49}"]),
    ("frameio", &[r"fio-u-[A-Za-z0-9_-]{64}"]),
    ("maxmind", &[r"[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk"]),
    ("adafruit", &[r"aio_[A-Za-z0-9]{28}"]),
    ("ramp", &[r"ramp_sec_[A-Za-z0-9]{48}"]),
    ("zuplo", &[r"zpka_[a-z0-9]{32}_[0-9a-f]{8}"]),
    ("canva", &[r"cnvca[A-Za-z0-9_-]{51}"]),
    ("ionic", &[r"ion_[A-Za-z0-9]{42}"]),
    ("nylas", &[r"nyk_[A-Za-z0-9]{67}"]),
    (
        "wakatime",
        &[r"waka_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"],
    ),
];
