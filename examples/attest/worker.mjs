// A Worker that proves which keys it runs with; the rest of it is its own.
import { attest } from "./attest.mjs";

export default {
  async fetch(request, env) {
    const proof = await attest(request, {
      clerk: [env.CLERK_SECRET_KEY],
      sightengine: [env.SIGHTENGINE_API_USER, env.SIGHTENGINE_API_SECRET],
    });
    if (proof) return proof;
    return new Response("hello from the Worker\n");
  },
};
