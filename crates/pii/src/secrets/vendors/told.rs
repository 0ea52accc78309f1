//! Keys whose form says little by itself: their vendor's name stands beside them.

use super::Told;

const UUID: &str = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}";

/// Forms that tell beside one of some words.
pub(in crate::secrets) const TOLD: &[Told] = &[
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
    (
        "sonar_legacy",
        &[r"[0-9a-f]{40}"],
        &[
            "dsonar login",
            "dsonar token",
            "sonar login",
            "sonar token",
            "sonar auth token",
            "sonarqube token",
        ],
    ),
    (
        "jenkins",
        &[r"11[0-9a-f]{32}", r"[0-9a-f]{64}", r"[0-9a-f]{32}"],
        &[
            "jenkins crumb",
            "jenkins token",
            "jenkins api token",
            "jenkins user token",
        ],
    ),
    (
        "code_climate",
        &[r"[0-9a-f]{64}"],
        &[
            "cc test reporter id",
            "codeclimate repo token",
            "code climate repo token",
        ],
    ),
    (
        "vault_service",
        &[r"s\.[A-Za-z0-9_-]{90,120}"],
        &["vault", "vault token", "x vault token"],
    ),
    (
        "azure_devops_legacy",
        &[r"[a-z2-7]{52}"],
        &[
            "ado pat",
            "ado token",
            "azure devops pat",
            "azure devops token",
            "azure pat",
        ],
    ),
    (
        "wandb_legacy",
        &[r"[0-9a-f]{40}"],
        &["wandb api key", "wandb key"],
    ),
    (
        "virustotal",
        &[r"[0-9a-f]{64}"],
        &["virustotal api key", "virustotal key", "vt api key"],
    ),
    (
        "kubernetes_bootstrap",
        &[r"[a-z0-9]{6}\.[a-z0-9]{16}"],
        &["bootstrap token", "discovery token"],
    ),
];
