import java.io.FileInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** An ordinary Java program, used as client.go is. */
public class Client {
	static SSLContext trusting(String ca) throws Exception {
		KeyStore ks = KeyStore.getInstance(KeyStore.getDefaultType());
		ks.load(null, null);
		ks.setCertificateEntry("ca", CertificateFactory
			.getInstance("X.509")
			.generateCertificate(new FileInputStream(ca)));
		TrustManagerFactory t = TrustManagerFactory.getInstance(
			TrustManagerFactory.getDefaultAlgorithm());
		t.init(ks);
		SSLContext c = SSLContext.getInstance("TLS");
		c.init(null, t.getTrustManagers(), null);
		return c;
	}

	public static void main(String[] args) throws Exception {
		HttpClient c = HttpClient.newBuilder()
			.sslContext(trusting(System.getenv("SSL_CERT_FILE")))
			.build();
		for (int i = 1; i < args.length; i++) {
			HttpResponse<byte[]> r = c.send(HttpRequest
				.newBuilder(URI.create(args[0]))
				.header("Content-Type", "application/json")
				.POST(HttpRequest.BodyPublishers.ofByteArray(
					Files.readAllBytes(Path.of(args[i]))))
				.build(),
				HttpResponse.BodyHandlers.ofByteArray());
			System.out.println(r.statusCode() + " " +
				r.body().length);
		}
	}
}
