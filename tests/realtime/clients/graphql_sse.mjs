// graphql-sse, one request for each stream.
import { createClient } from "graphql-sse";
import { apply, pause, takeSnapshot, watching } from "./readme.mjs";
import { CHANGES, enrollments, getToken, tell, url, waits } from "./world.mjs";

const client = createClient({
  url,
  headers: async () => ({ Authorization: `Bearer ${await getToken()}` }),
  retryAttempts: Infinity,
  retry: (tries) => pause(tries, waits),
  fetchFn: watching(waits),
});
const variables = { after: await takeSnapshot({ url, getToken, enrollments, waits }) };
tell();
client.subscribe(
  { query: CHANGES, variables },
  {
    next({ data }) {
      variables.after = data.enrollmentChanges.cursor;
      if (!apply(data.enrollmentChanges, enrollments)) process.exit(2);
      tell();
    },
    error(error) {
      console.error(error);
      process.exit(3);
    },
    complete: () => process.exit(4),
  },
);
