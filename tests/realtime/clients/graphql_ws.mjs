// graphql-ws as the README has it.
import WebSocket from "ws";
import { follow } from "./readme.mjs";
import { enrollments, getToken, tell, url } from "./world.mjs";

await follow({ url, getToken, webSocketImpl: WebSocket, enrollments, onChange: tell });
