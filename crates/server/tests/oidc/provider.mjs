// A certified OpenID provider on loopback, and a browser for it. Says where it is, with its clients,
// in one JSON line; then reads JSON lines {"client", "login", "nonce"} and answers each with the ID
// token that a code flow ends with. Ends with its input. The first argument is the folder in which
// the packages are installed.

import { createHash, generateKeyPairSync, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const require = createRequire(join(process.argv[2], "package.json"));
const { Provider } = await import(pathToFileURL(require.resolve("oidc-provider")));

const REDIRECT = "https://app.example/callback";
const key = (kid, alg, type, options) => ({
  ...generateKeyPairSync(type, options).privateKey.export({ format: "jwk" }),
  kid,
  alg,
  use: "sig",
});
const client = (alg) => ({
  client_id: `console-${alg.toLowerCase()}`,
  token_endpoint_auth_method: "none",
  redirect_uris: [REDIRECT],
  id_token_signed_response_alg: alg,
  require_auth_time: true,
});
const clients = [client("RS256"), client("ES256")];

const server = createServer();
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const issuer = `http://127.0.0.1:${server.address().port}`;
const provider = new Provider(issuer, {
  clients,
  jwks: {
    keys: [
      key("of-rsa", "RS256", "rsa", { modulusLength: 2048 }),
      key("of-ec", "ES256", "ec", { namedCurve: "P-256" }),
    ],
  },
  cookies: { keys: [randomBytes(32).toString("hex")] },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
});
server.on("request", provider.callback());

// What a browser keeps between two requests.
class Browser {
  cookies = new Map();

  async follow(url, form) {
    for (let hops = 0; hops < 20; hops += 1) {
      const headers = { cookie: [...this.cookies].map((pair) => pair.join("=")).join("; ") };
      const options = { redirect: "manual", headers };
      if (form) {
        Object.assign(options, { method: "POST", body: new URLSearchParams(form) });
      }
      const answer = await fetch(url, options);
      for (const line of answer.headers.getSetCookie()) {
        const [name, value] = line.split(";")[0].split("=");
        if (value) this.cookies.set(name, value);
        else this.cookies.delete(name);
      }
      if (answer.status < 300 || answer.status > 399) {
        if (answer.status !== 200) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
        return url;
      }
      url = new URL(answer.headers.get("location"), url).href;
      form = undefined;
      if (url.startsWith(REDIRECT)) return url;
    }
    throw new Error("redirected without end");
  }
}

async function idToken({ client: id, login, nonce }) {
  const browser = new Browser();
  const verifier = randomBytes(32).toString("base64url");
  const question = new URLSearchParams({
    client_id: id,
    response_type: "code",
    scope: "openid",
    redirect_uri: REDIRECT,
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
    ...(nonce ? { nonce } : {}),
  });
  let at = await browser.follow(`${issuer}/auth?${question}`);
  at = await browser.follow(at, { prompt: "login", login, password: "any" });
  at = await browser.follow(at, { prompt: "consent" });
  const code = new URL(at).searchParams.get("code");
  const exchanged = await fetch(`${issuer}/token`, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "authorization_code",
      client_id: id,
      code,
      redirect_uri: REDIRECT,
      code_verifier: verifier,
    }),
  });
  const { id_token: token } = await exchanged.json();
  if (!token) throw new Error(`no id token: ${exchanged.status}`);
  return token;
}

const found = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
console.log(
  JSON.stringify({
    issuer: found.issuer,
    jwks_url: found.jwks_uri,
    clients: clients.map((one) => one.client_id),
  }),
);
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify({ id_token: await idToken(JSON.parse(line)) }));
}
server.closeAllConnections();
server.close();
