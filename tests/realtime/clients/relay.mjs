// Relay's network layer over graphql-ws; the compiler would only make the text of the subscription.
import { Network, Observable } from "relay-runtime";
import { apply, connect, resuming, takeSnapshot } from "./readme.mjs";
import { CHANGES, enrollments, getToken, tell, url, waits, WebSocket } from "./world.mjs";

const socket = resuming(connect({ url, getToken, webSocketImpl: WebSocket, waits }), waits);
const network = Network.create(
  () => {
    throw new Error("Snapshots are taken without Relay here.");
  },
  ({ text }, variables) => Observable.create((sink) => socket.subscribe({ query: text, variables }, sink)),
);
const after = await takeSnapshot({ url, getToken, enrollments, waits });
tell();
network.execute({ name: "Changes", operationKind: "subscription", text: CHANGES }, { after }, {}).subscribe({
  next({ data }) {
    if (!apply(data.enrollmentChanges, enrollments)) process.exit(2);
    tell();
  },
  error(error) {
    console.error(error);
    process.exit(3);
  },
});
