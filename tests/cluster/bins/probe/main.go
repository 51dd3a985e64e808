// What tests run in a pod where they need to look around: the image has no shell.
//
//	probe append FILE TEXT         appends a line and syncs it
//	probe cat FILE                 prints a file
//	probe get URL                  prints what an HTTP server answers; fails above status 299
//	probe lookup NAME              prints the addresses of a name
//	probe serve ADDRESS FOLDER     appends the host's name to FOLDER/starts, then serves the folder over HTTP
//	probe eat MIB                  takes so much memory, then waits
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

func main() {
	log.SetFlags(0)
	if err := run(os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 3 && args[0] == "append":
		return appendLine(args[1], args[2])
	case len(args) == 2 && args[0] == "cat":
		text, err := os.ReadFile(args[1])
		os.Stdout.Write(text)
		return err
	case len(args) == 2 && args[0] == "get":
		return get(args[1])
	case len(args) == 2 && args[0] == "lookup":
		addresses, err := net.LookupHost(args[1])
		for _, address := range addresses {
			fmt.Println(address)
		}
		return err
	case len(args) == 3 && args[0] == "serve":
		return serve(args[1], args[2])
	case len(args) == 2 && args[0] == "eat":
		return eat(args[1])
	}
	return fmt.Errorf("probe: unknown arguments %q", args)
}

func appendLine(name, text string) error {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(file, text); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	return file.Close()
}

func get(url string) error {
	client := http.Client{Timeout: 10 * time.Second}
	answer, err := client.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(os.Stdout, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode > 299 {
		return fmt.Errorf("%s: %s", url, answer.Status)
	}
	return nil
}

func serve(address, folder string) error {
	name, err := os.Hostname()
	if err != nil {
		return err
	}
	if err := appendLine(filepath.Join(folder, "starts"), name); err != nil {
		return err
	}
	return http.ListenAndServe(address, http.FileServer(http.Dir(folder)))
}

func eat(mebibytes string) error {
	count, err := strconv.Atoi(mebibytes)
	if err != nil {
		return err
	}
	eaten := make([][]byte, 0, count)
	for range count {
		piece := make([]byte, 1<<20)
		for at := 0; at < len(piece); at += 4096 {
			piece[at] = 1
		}
		eaten = append(eaten, piece)
	}
	fmt.Println(len(eaten), "MiB taken")
	select {}
}
