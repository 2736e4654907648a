module postern.test/official-pam-client

go 1.24.0
