<?php
// curl's extension is loaded with RTLD_DEEPBIND; streams use php's own libssl.
if (!extension_loaded("curl")) { echo "no-curl\n"; exit; }
$port = getenv("TEST_PORT");
$body = '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}],"max_tokens":50}';
$c = curl_init("https://api.openai.com/v1/chat/completions");
curl_setopt($c, CURLOPT_CONNECT_TO, ["::127.0.0.1:$port"]);
curl_setopt($c, CURLOPT_CAINFO, getenv("SSL_CERT_FILE"));
curl_setopt($c, CURLOPT_POSTFIELDS, $body);
curl_setopt($c, CURLOPT_HTTPHEADER, ["Content-Type: application/json"]);
curl_setopt($c, CURLOPT_RETURNTRANSFER, 1);
$r = curl_exec($c);
echo curl_getinfo($c, CURLINFO_RESPONSE_CODE), curl_error($c), "\n";
$x = stream_context_create(["http" => ["method" => "POST",
  "header" => "Content-Type: application/json\r\nHost: api.openai.com",
  "content" => $body, "ignore_errors" => true],
  "ssl" => ["peer_name" => "api.openai.com", "cafile" => getenv("SSL_CERT_FILE")]]);
$r = file_get_contents("https://127.0.0.1:$port/v1/chat/completions", false, $x);
echo explode(" ", $http_response_header[0])[1], "\n";
