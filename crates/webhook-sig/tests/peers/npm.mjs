// The official libraries on npm: reads JSON lines of questions, answers each with a JSON line.
//
// A question is {"do": "sign" | "verify", "peer", "key", "id", "timestamp", "body" (base64),
// "headers"}; the answer to "sign" is the headers, to "verify" true or false.

import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createPrivateKey, createPublicKey, sign as nodeSign, verify as nodeVerify } from "node:crypto";

const require = createRequire(process.argv[2] + "/");
// Octokit's is a module, which `require` does not resolve.
const octokit = await import(
  join(process.argv[2], "node_modules/@octokit/webhooks-methods/dist-node/index.js")
);
const { verifySlackRequest } = require("@slack/bolt");
const standard = require("standardwebhooks");
const Stripe = require("stripe");
const svix = require("svix");
const stripe = new (Stripe.default ?? Stripe)("sk_test_none");

const SEED = Buffer.from("302e020100300506032b657004220420", "hex");
const PUBLIC = Buffer.from("302a300506032b6570032100", "hex");

function holds(check) {
  try {
    check();
    return true;
  } catch {
    return false;
  }
}

function standardHeaders(prefix, { id, timestamp }, signature) {
  const headers = [["id", id], ["timestamp", String(timestamp)], ["signature", signature]];
  return headers.map(([name, value]) => [`${prefix}-${name}`, value]);
}

function family(library, prefix) {
  return {
    sign: (q) => {
      const date = new Date(q.timestamp * 1000);
      const signature = new library.Webhook(q.key).sign(q.id, date, q.body.toString("utf8"));
      return standardHeaders(prefix, q, signature);
    },
    verify: (q) =>
      holds(() => new library.Webhook(q.key).verify(q.body, Object.fromEntries(q.headers))),
  };
}

const peers = {
  standardwebhooks: family(standard, "webhook"),
  svix: family(svix, "svix"),
  stripe: {
    sign: ({ key, timestamp, body }) => {
      const payload = body.toString("utf8");
      const value = stripe.webhooks.generateTestHeaderString({ payload, secret: key, timestamp });
      return [["stripe-signature", value]];
    },
    verify: ({ key, body, headers }) =>
      holds(() => stripe.webhooks.constructEvent(body, Object.fromEntries(headers)["stripe-signature"], key)),
  },
  octokit: {
    sign: async ({ key, id, body }) => [
      ["x-github-delivery", id],
      ["x-hub-signature-256", await octokit.sign(key, body.toString("utf8"))],
    ],
    verify: ({ key, body, headers }) =>
      octokit.verify(key, body.toString("utf8"), Object.fromEntries(headers)["x-hub-signature-256"]),
  },
  // Bolt verifies and does not sign.
  bolt: {
    verify: ({ key, body, headers }) => {
      const found = Object.fromEntries(headers);
      const timestamp = Number(found["x-slack-request-timestamp"]);
      return holds(() =>
        verifySlackRequest({
          signingSecret: key,
          body: body.toString("utf8"),
          headers: {
            "x-slack-signature": found["x-slack-signature"],
            "x-slack-request-timestamp": timestamp,
          },
        }),
      );
    },
  },
  // No library has v1a: this is Ed25519 from OpenSSL under the text of the specification.
  node: {
    sign: (q) => {
      const seed = Buffer.from(q.key.slice("whsk_".length), "base64").subarray(0, 32);
      const key = createPrivateKey({ key: Buffer.concat([SEED, seed]), format: "der", type: "pkcs8" });
      const signed = Buffer.concat([Buffer.from(`${q.id}.${q.timestamp}.`), q.body]);
      return standardHeaders("webhook", q, "v1a," + nodeSign(null, signed, key).toString("base64"));
    },
    verify: (q) => {
      const found = Object.fromEntries(q.headers);
      const bytes = Buffer.from(q.key.slice("whpk_".length), "base64");
      const key = createPublicKey({ key: Buffer.concat([PUBLIC, bytes]), format: "der", type: "spki" });
      const prefix = `${found["webhook-id"]}.${found["webhook-timestamp"]}.`;
      const signed = Buffer.concat([Buffer.from(prefix), q.body]);
      return found["webhook-signature"].split(" ").some((entry) => {
        const [version, value] = entry.split(",");
        return version === "v1a" && nodeVerify(null, signed, key, Buffer.from(value, "base64"));
      });
    },
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line);
  question.body = Buffer.from(question.body, "base64");
  const answer = await peers[question.peer][question.do](question);
  process.stdout.write(JSON.stringify(answer) + "\n");
}
