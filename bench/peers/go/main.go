// The peer in Go: one goroutine for each connection.
//
//	peer echo PORT BUFFER    read into a buffer of so many bytes, write it back
//	peer copy PORT           io.Copy, which splices on Linux
//	peer daytime PORT        write the time and close plainly
//	peer udp PORT            a datagram in, the same datagram out
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"
)

const daytimeLayout = "Mon Jan _2 15:04:05 MST 2006\r\n"

func echo(size int) func(net.Conn) {
	return func(connection net.Conn) {
		defer connection.Close()
		buffer := make([]byte, size)
		for {
			n, err := connection.Read(buffer)
			if n > 0 {
				if _, err := connection.Write(buffer[:n]); err != nil {
					return
				}
			}
			if err != nil {
				return
			}
		}
	}
}

func copyBack(connection net.Conn) {
	defer connection.Close()
	io.Copy(connection, connection)
}

func daytime(connection net.Conn) {
	defer connection.Close()
	io.WriteString(connection, time.Now().UTC().Format(daytimeLayout))
}

func serve(port string, handle func(net.Conn)) error {
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return err
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go handle(connection)
	}
}

func udp(port string) error {
	address, err := net.ResolveUDPAddr("udp", ":"+port)
	if err != nil {
		return err
	}
	socket, err := net.ListenUDP("udp", address)
	if err != nil {
		return err
	}
	buffer := make([]byte, 65535)
	for {
		n, peer, err := socket.ReadFromUDP(buffer)
		if err == nil {
			socket.WriteToUDP(buffer[:n], peer)
		}
	}
}

func run(arguments []string) error {
	if len(arguments) < 2 {
		return fmt.Errorf("echo|copy|daytime|udp PORT [BUFFER]")
	}
	switch mode, port := arguments[0], arguments[1]; mode {
	case "echo":
		size, err := strconv.Atoi(arguments[len(arguments)-1])
		if err != nil {
			return err
		}
		return serve(port, echo(size))
	case "copy":
		return serve(port, copyBack)
	case "daytime":
		return serve(port, daytime)
	case "udp":
		return udp(port)
	default:
		return fmt.Errorf("%s: no such mode", mode)
	}
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}
