"""The API: GraphQL over HTTP. It translates between contract and domain; rights and rules live in the domain."""
