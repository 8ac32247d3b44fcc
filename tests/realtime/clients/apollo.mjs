// Apollo Client with its link over graphql-ws.
import { ApolloClient, gql, InMemoryCache } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { apply, connect, resuming, takeSnapshot } from "./readme.mjs";
import { CHANGES, enrollments, getToken, tell, url, waits, WebSocket } from "./world.mjs";

const link = new GraphQLWsLink(resuming(connect({ url, getToken, webSocketImpl: WebSocket, waits }), waits));
const client = new ApolloClient({ link, cache: new InMemoryCache() });
const after = await takeSnapshot({ url, getToken, enrollments, waits });
tell();
client.subscribe({ query: gql(CHANGES), variables: { after }, fetchPolicy: "no-cache" }).subscribe({
  next({ data, error }) {
    if (error || !apply(data.enrollmentChanges, enrollments)) {
      console.error(error);
      process.exit(2);
    }
    tell();
  },
  error(error) {
    console.error(error);
    process.exit(3);
  },
});
