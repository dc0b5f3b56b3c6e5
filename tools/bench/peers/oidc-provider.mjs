// node-oidc-provider with a token endpoint like grantd's: one client, one resource server, JWT access tokens, in memory.
// ALG: what it signs with. Prints one line once it listens: see `Subject::start_peer` in benches/token/subject.rs.
import { generateKeyPair, exportJWK } from "jose";
import { Provider } from "oidc-provider";

const alg = process.env.ALG ?? "EdDSA";
const { privateKey } = await generateKeyPair(alg, { extractable: true });
const clientId = "c".repeat(32);
const clientSecret = "s".repeat(55);
const resource = "https://api.example.com";
const warn = console.warn;
console.warn = () => {};
console.info = () => {};
const provider = new Provider("http://127.0.0.1/", {
  jwks: { keys: [{ ...(await exportJWK(privateKey)), alg, use: "sig", kid: "k" }] },
  clients: [
    {
      client_id: clientId,
      client_secret: clientSecret,
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
      token_endpoint_auth_method: "client_secret_post",
      id_token_signed_response_alg: alg,
    },
  ],
  clientDefaults: { id_token_signed_response_alg: alg },
  enabledJWA: { idTokenSigningAlgValues: ["RS256", "ES256", "EdDSA", "Ed25519"] },
  scopes: ["write"],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => resource,
      getResourceServerInfo: () => ({
        scope: "write",
        accessTokenFormat: "jwt",
        accessTokenTTL: 3600,
        jwt: { sign: { alg } },
      }),
    },
  },
});
console.warn = warn;
provider.on("server_error", (_, error) => console.error(error));
const server = provider.listen(Number(process.env.PORT), "127.0.0.1", () => {
  const form = {
    grant_type: "client_credentials",
    client_id: clientId,
    client_secret: clientSecret,
    scope: "write",
    resource,
  };
  process.stdout.write(JSON.stringify({ port: server.address().port, path: "/token", form }) + "\n");
});
process.on("SIGTERM", () => process.exit(0));
