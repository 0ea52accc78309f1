// One request for npm's `jose`, as JSON on standard input; the answer as JSON on standard output.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const folder = process.argv[2];
const jose = await import(pathToFileURL(createRequire(`${folder}/package.json`).resolve("jose")));
const { op, alg, jwk, header, claims, token, issuer, audience } = JSON.parse(readFileSync(0, "utf8"));
const key = await jose.importJWK(jwk, alg);
if (op === "sign") {
  const signed = await new jose.SignJWT(claims).setProtectedHeader({ ...header, alg }).sign(key);
  console.log(JSON.stringify(signed));
} else {
  const options = { issuer, audience, algorithms: [alg], typ: "at+jwt", currentDate: new Date(1000 * jose.decodeJwt(token).iat) };
  console.log(JSON.stringify((await jose.jwtVerify(token, key, options)).payload));
}
