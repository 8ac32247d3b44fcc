"""The API: GraphQL over HTTP. It translates between the contract and the domain; rights and rules live in the domain."""
