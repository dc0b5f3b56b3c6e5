// oauth2-mock-server as it comes: it checks no client. ALG: what it signs with.
// Prints one line once it listens: see `Subject::start_peer` in benches/token/subject.rs.
import { OAuth2Server } from "oauth2-mock-server";

const server = new OAuth2Server();
await server.issuer.keys.generate(process.env.ALG ?? "EdDSA");
await server.start(Number(process.env.PORT), "127.0.0.1");
const form = { grant_type: "client_credentials", client_id: "c".repeat(32), client_secret: "s".repeat(55), scope: "write" };
process.stdout.write(JSON.stringify({ port: server.address().port, path: "/token", form }) + "\n");
process.on("SIGTERM", () => process.exit(0));
