// urql with its subscription exchange over graphql-ws.
import { Client, subscriptionExchange } from "@urql/core";
import { apply, connect, resuming, takeSnapshot } from "./readme.mjs";
import { CHANGES, enrollments, getToken, tell, url, waits, WebSocket } from "./world.mjs";

const socket = resuming(connect({ url, getToken, webSocketImpl: WebSocket, waits }), waits);
const client = new Client({
  url,
  exchanges: [
    subscriptionExchange({
      forwardSubscription: ({ query, variables }) => ({
        subscribe: (sink) => ({ unsubscribe: socket.subscribe({ query, variables }, sink) }),
      }),
    }),
  ],
});
const after = await takeSnapshot({ url, getToken, enrollments, waits });
tell();
client.subscription(CHANGES, { after }).subscribe(({ data, error }) => {
  if (error || !apply(data.enrollmentChanges, enrollments)) {
    console.error(error);
    process.exit(2);
  }
  tell();
});
