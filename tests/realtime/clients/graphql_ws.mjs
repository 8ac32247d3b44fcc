// graphql-ws as the README has it.
import { follow } from "./readme.mjs";
import { enrollments, getToken, tell, url, waits, WebSocket } from "./world.mjs";

await follow({ url, getToken, webSocketImpl: WebSocket, enrollments, onChange: tell, waits });
